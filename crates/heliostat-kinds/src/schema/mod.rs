//! What the built-in kinds look like: kinds, resources, messages and fields, all `&'static`.
//!
//! ```
//! use heliostat_kinds::schema::{self, ListType, ValueType};
//!
//! let pod = schema::kind("v1", "Pod").expect("pods are built in");
//! let image = pod.message().locate("spec.containers[*].image").expect("containers have images");
//! assert_eq!(image.value_type(), ValueType::String);
//!
//! let containers = pod.message().locate("spec.containers").expect("pods have containers");
//! assert_eq!(containers.field().list_type(), Some(ListType::Map));
//! assert!(containers.field().list_map_keys().eq(["name"]));
//!
//! let pods = schema::resource("", "v1", "pods").expect("pods are served");
//! assert!(pods.is_namespaced());
//! ```

mod field;
mod kind;
mod location;
mod message;
mod resource;
mod text;

pub use field::{Field, ListType, MapType, PatchStrategy, Shape, ValueType};
pub use kind::{Kind, kind, kinds};
pub use location::Location;
pub use message::Message;
pub use resource::{
    Column, Resource, Scope, Subresource, Verbs, resource, resource_of_kind, resources,
};

pub(crate) use field::Constraint;
pub(crate) use text::{Text, TextList};
