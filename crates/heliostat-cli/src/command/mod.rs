//! The commands, one file or folder each.

pub(crate) mod mirror;

pub(crate) mod demo;

pub(crate) mod apiserver;

pub(crate) mod completions;

pub(crate) mod convert;

mod pace;

pub(crate) mod get;

pub(crate) mod serve;

pub(crate) mod top;

mod fleet;

mod target;

mod find;

mod selection;

mod source;

mod etcd;

mod wire;

mod totals;

mod telling;

mod progress;
