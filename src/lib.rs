//! appferry ferries app definitions between a self-hosted low-code app builder and Git, with named SSH keys.
//!
//! The map of the crate, from the inside out:
//!
//! | module | what it is | may use |
//! |---|---|---|
//! | [`domain`] | pure types and decisions: names, URLs, the sync plan, the merge, the words of commits | nothing of ours |
//! | [`ports`] | what the services need from outside | `domain` |
//! | [`keys`], [`sync`], [`shell`], [`tunnel`] | the services | `domain`, `ports` |
//! | [`store`], [`git`], [`ssh`], [`workspace`] | the adapters: `SQLite`, libgit2 and the Git wire, russh, the disk | `domain`, `ports` |
//! | [`key_sources`] | keys beside the store, only read: a secrets folder, Vault | `config`, `domain`, `ports` |
//! | [`setup`] | setting up a server that a key shall log in to, and checking such logins | `domain`, `ports` |
//! | [`archive`] | whole apps on the wire: tar, zip, JSON | `domain` |
//! | [`watch`] | hints that an app changed: inotify, or the clock | `domain`, `workspace` |
//! | [`http`] | the API on loopback | services, `domain` |
//! | [`events`] | delivers what happened: webhooks, a program | `config`, `domain`, `ports` |
//! | [`config`] | the only reader of the environment | `domain` |
//! | [`hardening`] | what keeps the process's memory private | nothing of ours |
//! | [`daemon`] | builds the adapters, starts the worker, drains it | everything but `cli` |
//! | [`cli`], [`client`], [`demo`], [`logs`] | the program's face | everything |
//!
//! A test reads the `use crate::` lines and keeps that table true.

pub mod archive;
pub mod cli;
pub mod client;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod domain;
pub mod events;
pub mod git;
pub mod hardening;
pub mod http;
pub mod key_sources;
pub mod keys;
pub mod logs;
pub mod ports;
pub mod setup;
pub mod shell;
pub mod ssh;
pub mod store;
pub mod sync;
pub mod tunnel;
pub mod watch;
pub mod workspace;
