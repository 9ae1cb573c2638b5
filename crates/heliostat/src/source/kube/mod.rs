//! Mirrors of a Kubernetes API.
//!
//! [`Connection`] finds the configuration and gives a [`Cluster`]; [`Discovery`] finds what a name
//! means there; [`KubeSource`] lists and watches one collection.
//!
//! `kube-client` is what TLS, proxies and HTTP come from. What this room owns is what a mirror depends
//! on: the configuration, credentials that are renewed, the request options, what is asked for and what
//! is taken for an answer, decoding while the answer streams in, and what every failure means. Nothing
//! here holds a whole answer, and nothing here decides what follows from a failure: that is the
//! reflector's.
//!
//! | module | what lives there |
//! |---|---|
//! | `source` | [`KubeSource`], the list/watch source |
//! | `collection` | what is asked for, as path and query |
//! | `packed` | the source whose objects are packed |
//! | `encoded` | the sources of raw objects and of protobuf |
//! | `negotiation` | in which encoding it is asked for, and what a refusal means |
//! | `codec` | the bytes of an object into the user's type |
//! | `metadata_only` | metadata alone, also from a server that sends whole objects |
//! | `body` | the body of an answer as plain chunks |
//! | `reading` | the body of an answer through a decoder, as a stream |
//! | `traffic` | what has come in, counted |
//! | `decode_thread` | the threads on which that is done |
//! | `cluster` | the client, and how a request is sent |
//! | `answer` | the head of an answer: success, content type |
//! | `failure` | the errors of HTTP, TLS and sockets |
//! | `likeness` | what was probably meant by an unknown name |
//! | `connection` | from a kubeconfig or an address to a cluster |
//! | `config` | what kubeconfigs, addresses and service accounts say |
//! | `credentials` | tokens, certificates and exec plugins, renewed and refused |
//! | `transport` | TCP, timeouts and the connection pool |
//! | [`discovery`] | which resources there are |

mod source;

mod encoded;

mod packed;

mod collection;

mod negotiation;

mod codec;

mod metadata_only;

mod reading;

mod traffic;

mod decode_thread;

mod body;

mod cluster;

mod answer;

mod failure;

mod likeness;

mod connection;

mod config;

mod credentials;

mod transport;

pub mod discovery;

pub use cluster::Cluster;
pub use connection::{ConnectError, Connection};
pub use discovery::{DiscoveredResource, Discovery};
// What the constructors of a source take, so that nobody has to look for the matching version.
pub use crate::informer::factory::Scope;
pub use kube_core::{ApiResource, DynamicObject, PartialObjectMeta};
pub use negotiation::WireEncoding;
pub use source::KubeSource;
pub(crate) use source::lives_in_no_namespace;
pub use traffic::Traffic;
