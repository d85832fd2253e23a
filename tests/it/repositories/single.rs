//! A repository that is one app.
