//! What a kubeconfig, an address or a pod's service account says about a connection.
//!
//! The files are read here and not by `kube-client`, since users expect what kubectl does: what is not
//! used need not be whole, an empty string is an unset field, files have a size limit, and reading can be
//! cancelled. The result is a `kube_client::Config` without credentials, and the user's [`Login`], which
//! `credentials` turns into credentials.
//!
//! | module | what lives there |
//! |---|---|
//! | `search` | which files are read, and in which order |
//! | `kubeconfig` | the entries of the files, merged |
//! | `entries` | the fields of the entries that are used |
//! | `resolve` | a context as a configuration and a login |
//! | `resolved` | the configuration and the login |
//! | `service_account` | the configuration of a pod |
//! | `address` | addresses of servers and proxies |
//! | `proxy` | the proxy that the environment names for a server |
//! | `pem` | base64 and certificates |
//! | `file` | reading a file within limits |

mod search;

mod kubeconfig;

mod entries;

mod resolve;

mod resolved;

mod service_account;

pub(super) mod address;

pub(super) mod proxy;

mod pem;

pub(super) mod file;

pub(super) use entries::{Exec, InteractiveMode};
pub(super) use kubeconfig::lenient;
pub(super) use resolve::load;
pub(super) use resolved::{Login, Resolved};
