//! A seeded simulation of the core: a source with revisions, a network that fails in every way that
//! networks do, mirrors, and behind each a queue, a store and listeners that are slow, late, leaving or
//! panicking. All must keep their promises after every single step.
//!
//! ```text
//! world ─▶ server ─▶ machine ─┬▶ store                     what the promises of a mirror are about
//!                             └▶ queue ─▶ store ─▶ fan-out ─▶ buffer ─▶ listener    one of each
//! ```
//!
//! The store beside the queue gets every write at once, and so shows what the store behind it, which
//! gets them late and in batches, has to come to.
//!
//! Everything follows from one number: configurations, server, faults, timing. There is no thread, no
//! clock and no I/O in a seed, so a seed that fails fails again, step by step.
//!
//! | module | what lives there |
//! |---|---|
//! | [`scenario`] | what a seed decides before its story begins |
//! | [`world`] | the source: objects, revisions, history, restores |
//! | [`connection`] | requests, and the answers on their way |
//! | [`server`] | how it serves lists and watches, and the network in front of it |
//! | [`faults`] | what can go wrong |
//! | [`kept`] | an object as a mirror keeps it: decoded or packed |
//! | [`client`] | a mirror: the core's machine and store, and what a driver does |
//! | [`informer`] | what is behind a mirror: the core's queue, store and handlers' buffers |
//! | [`invariants`] | the promises, one file each |
//! | [`liveness`] | the promise about the end |
//! | [`mutant`], [`bug`] | bugs to put in, to prove that the promises would notice |
//! | [`simulation`] | the loop |
//! | [`coverage`], [`trace`] | what was exercised, and what happened |
//!
//! Every fourth seed reads etcd: several objects change in one revision, as in transactions and at the end
//! of a lease, compactions come between the pages of a list, watches are served by members that are behind
//! until the source goes to another one, and another cluster answers under the same address. Every eighth
//! has a source that cannot be watched, whose mirrors poll.
//!
//! Every fourth seed keeps its objects packed, as bytes that are compressed against what they have in
//! common, and reads them where it needs them. Its story is the same to the last step.
//!
//! # What the model leaves out
//!
//! - **A source that overtakes without evidence.** A mirror notices a restored source while its revision
//!   is below the mirror's version, and after that by the object that changed last. In some stories the
//!   source runs past the mirrors that still have this evidence. Writes are held back that would reach
//!   the version of a mirror that has none, since no client of this protocol can notice that. For the
//!   same reason no seed has both a restore and events without a version: what a mirror holds beyond its
//!   version has no version to compare.
//! - **A restored source is seen only by looking.** Seeds with a restore have an eye on silence.
//! - **A watch is accepted before its first event**, where a source goes back. A restored source behind
//!   a proxy that holds the headers of a watch back until the first event looks like one that is down.
//! - **All servers are restored at once.** No replica goes on serving the old history.
//! - **A list has a version.** A source whose lists have none can lose deletes between the list and
//!   the watch, whatever the client does.
//! - **Several changes of one revision come from etcd alone.** Its source remembers a revision in which a
//!   watch was cut, and begins the next watch with all of it; in between the mirror holds a part of the
//!   revision. Where it is cut, changes come again, which the promises allow for that revision and no other.
//! - **Another cluster is known by its name.** A source that reads etcd refuses the first request that one
//!   answers. Without the name no client could notice a cluster whose revisions are higher.
//! - **Handlers stop only one by one.** That a whole informer stops, with or without telling what
//!   waits, is a matter of tasks, which the model does not have; so is a lock.
//! - **A panic costs a handler a second.** What it was told counts as told.
//! - **Where a queue takes lists apart, only its end is compared** with the mirror's store: on the way
//!   there it goes through states that the mirror never had. Listeners are held to each of them.
//! - **Objects that cannot be decoded have a readable name.** Without one no policy can apply.
#![deny(missing_docs)]

pub mod agenda;

pub mod scenario;

pub mod world;

pub mod connection;

pub mod server;

pub mod faults;

pub mod kept;

pub mod client;

pub mod informer;

pub mod invariants;

pub mod liveness;

pub mod mutant;

pub mod bug;

pub mod simulation;

pub mod coverage;

pub mod trace;
