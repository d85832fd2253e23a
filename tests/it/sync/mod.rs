//! The main job, end to end: the real program, a real OpenSSH server, real bare repositories.

mod access;
mod actions;
mod checking;
mod conflict;
mod crash;
mod disk_trouble;
mod faults;
mod first_push;
mod guard;
mod hostile;
mod incoming;
mod input;
mod layout;
mod locked;
mod merging;
mod pull;
mod race;
mod remote_trouble;
mod servers;
mod unplugged;
mod words;
