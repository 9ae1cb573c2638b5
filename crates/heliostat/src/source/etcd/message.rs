//! The messages of etcd's gRPC API that this source sends and reads, with the fields that it uses.
//!
//! The numbers are those of etcd's `rpc.proto` and `kv.proto` (API version 3). Fields that are not here
//! are skipped by the decoder.

use bytes::Bytes;
use prost::Message;

/// Where an answer comes from, and how far the member was.
#[derive(Clone, Copy, Message)]
pub(super) struct ResponseHeader {
    #[prost(uint64, tag = "1")]
    pub(super) cluster_id: u64,
    #[prost(int64, tag = "3")]
    pub(super) revision: i64,
    #[prost(uint64, tag = "4")]
    pub(super) raft_term: u64,
}

impl ResponseHeader {
    /// The revision; 0 if there is none.
    pub(super) fn revision(&self) -> u64 {
        unsigned(self.revision)
    }
}

/// A key with its value.
#[derive(Clone, Message, PartialEq)]
pub(super) struct Pair {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(int64, tag = "2")]
    pub(super) create_revision: i64,
    #[prost(int64, tag = "3")]
    pub(super) mod_revision: i64,
    #[prost(int64, tag = "4")]
    pub(super) version: i64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) value: Bytes,
    #[prost(int64, tag = "6")]
    pub(super) lease: i64,
}

impl Pair {
    /// The revision at which this value was written.
    pub(super) fn mod_revision(&self) -> u64 {
        unsigned(self.mod_revision)
    }

    /// The revision at which the key was created.
    pub(super) fn create_revision(&self) -> u64 {
        unsigned(self.create_revision)
    }
}

/// Reads a range of keys. It is linearizable: no request here asks for less.
#[derive(Clone, Message)]
pub(super) struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) range_end: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) limit: i64,
    #[prost(int64, tag = "4")]
    pub(super) revision: i64,
    #[prost(bool, tag = "9")]
    pub(super) count_only: bool,
}

/// The answer to a [`RangeRequest`].
#[derive(Clone, Message)]
pub(super) struct RangeResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(message, repeated, tag = "2")]
    pub(super) pairs: Vec<Pair>,
    #[prost(bool, tag = "3")]
    pub(super) more: bool,
    #[prost(int64, tag = "4")]
    pub(super) count: i64,
}

/// What a client sends on a watch stream: one of these at a time.
#[derive(Clone, Message)]
pub(super) struct WatchRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) create: Option<WatchCreateRequest>,
    #[prost(message, optional, tag = "3")]
    pub(super) progress: Option<WatchProgressRequest>,
}

/// Opens a watch.
#[derive(Clone, Message)]
pub(super) struct WatchCreateRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) range_end: Bytes,
    #[prost(int64, tag = "3")]
    pub(super) start_revision: i64,
    #[prost(bool, tag = "4")]
    pub(super) progress_notify: bool,
    #[prost(bool, tag = "6")]
    pub(super) prev_kv: bool,
    #[prost(bool, tag = "8")]
    pub(super) fragment: bool,
}

/// Asks how far the watches of the stream are.
#[derive(Clone, Copy, Message)]
pub(super) struct WatchProgressRequest {}

/// What a server sends on a watch stream.
#[derive(Clone, Message)]
pub(super) struct WatchResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) header: Option<ResponseHeader>,
    #[prost(bool, tag = "3")]
    pub(super) created: bool,
    #[prost(bool, tag = "4")]
    pub(super) canceled: bool,
    #[prost(int64, tag = "5")]
    pub(super) compact_revision: i64,
    #[prost(string, tag = "6")]
    pub(super) cancel_reason: String,
    #[prost(bool, tag = "7")]
    pub(super) fragment: bool,
    #[prost(message, repeated, tag = "11")]
    pub(super) events: Vec<Event>,
}

impl WatchResponse {
    /// The cluster that answers; none if the response does not name it.
    pub(super) fn cluster_id(&self) -> Option<u64> {
        let header = self.header.as_ref()?;
        (header.cluster_id != 0).then_some(header.cluster_id)
    }

    /// The revision in the header; 0 if there is none.
    pub(super) fn revision(&self) -> u64 {
        self.header.as_ref().map_or(0, ResponseHeader::revision)
    }
}

/// A change of one key.
#[derive(Clone, Message, PartialEq)]
pub(super) struct Event {
    #[prost(enumeration = "EventType", tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) pair: Option<Pair>,
    #[prost(message, optional, tag = "3")]
    pub(super) previous: Option<Pair>,
}

/// What an [`Event`] does to its key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum EventType {
    Put = 0,
    Delete = 1,
}

/// Asks a member about itself.
#[derive(Clone, Copy, Message)]
pub(super) struct StatusRequest {}

/// A member about itself.
#[derive(Clone, Message)]
pub(super) struct StatusResponse {
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

/// Asks for a token.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub(super) struct AuthenticateRequest {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) password: String,
}

/// The token.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub(super) struct AuthenticateResponse {
    #[prost(string, tag = "2")]
    pub(super) token: String,
}

impl std::fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthenticateRequest")
    }
}

impl std::fmt::Debug for AuthenticateResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthenticateResponse")
    }
}

/// A revision that is sent: etcd's are signed.
pub(super) fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

/// A revision that was received; one below zero is none.
pub(super) fn unsigned(revision: i64) -> u64 {
    u64::try_from(revision).unwrap_or(0)
}
