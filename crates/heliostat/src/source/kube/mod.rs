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
//! | `conversions` | the same source raw, packed, as metadata alone, decoded in another way |
//! | `scope` | [`Scope`]: which objects of a kind |
//! | `collection` | what is asked for, as path and query |
//! | `negotiation` | in which encoding it is asked for, and what a refusal means |
//! | `codec` | the bytes of an object into the user's type |
//! | `metadata_only` | metadata alone, also from a server that sends whole objects |
//! | `body` | the body of an answer as plain chunks |
//! | `reading` | the body of an answer through a decoder, as a stream |
//! | `traffic` | what has come in, counted |
//! | `cluster` | the client, and how a request is sent |
//! | `encoding` | the encodings of answers |
//! | `answer` | the head of an answer: success, content type |
//! | `failure` | the errors of HTTP, TLS and sockets |
//! | `likeness` | what was probably meant by an unknown name |
//! | `connection` | from a kubeconfig or an address to a cluster |
//! | `config` | what kubeconfigs, addresses and service accounts say |
//! | `credentials` | tokens, certificates and exec plugins, renewed and refused |
//! | `authorize` | the layer that sends a request with credentials |
//! | `connect_error` | why no connection could be prepared |
//! | `transport` | TCP, timeouts and the connection pool |
//! | `proxied` | connections through a proxy |
//! | [`discovery`] | which resources there are |

mod source;

mod conversions;

mod scope;

mod collection;

mod negotiation;

mod codec;

mod metadata_only;

mod reading;

mod traffic;

mod body;

mod cluster;

mod encoding;

mod answer;

mod failure;

mod likeness;

mod connection;

mod connect_error;

mod config;

mod credentials;

mod authorize;

mod transport;

mod proxied;

pub mod discovery;

pub use cluster::Cluster;
pub use connect_error::ConnectError;
pub use connection::Connection;
pub use discovery::{DiscoveredResource, Discovery};
// What the constructors of a source take, in the version that they take.
pub use kube_core::{ApiResource, DynamicObject, PartialObjectMeta};
pub use negotiation::WireEncoding;
pub use scope::Scope;
pub use source::KubeSource;
pub(crate) use source::has_no_namespaces;
pub use traffic::Traffic;
