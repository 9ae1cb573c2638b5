//! The words that names are made of.

use heliostat_core::rng::Rng;

/// The characters of generated suffixes: those that Kubernetes takes, without vowels and look-alikes.
pub(super) const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The namespaces that every cluster has.
pub(super) const SYSTEM: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// An application and its tier.
type App = (&'static str, &'static str);

/// A namespace and what runs in it.
type Team = (&'static str, &'static [App]);

/// The namespaces with their applications.
pub(super) const TEAMS: &[Team] = &[
    (
        "shop",
        &[
            ("frontend", "web"),
            ("cart", "api"),
            ("catalog", "api"),
            ("checkout", "api"),
            ("recommendation", "api"),
            ("session-cache", "cache"),
        ],
    ),
    (
        "payments",
        &[
            ("gateway", "api"),
            ("ledger", "api"),
            ("fraud-check", "worker"),
            ("payout", "worker"),
        ],
    ),
    (
        "search",
        &[
            ("query", "api"),
            ("indexer", "worker"),
            ("suggest", "api"),
            ("ranking", "api"),
        ],
    ),
    (
        "identity",
        &[
            ("login", "web"),
            ("token", "api"),
            ("directory", "api"),
            ("audit", "worker"),
        ],
    ),
    (
        "media",
        &[
            ("upload", "api"),
            ("transcode", "worker"),
            ("thumbnail", "worker"),
            ("stream", "api"),
        ],
    ),
    (
        "analytics",
        &[
            ("collector", "api"),
            ("aggregator", "worker"),
            ("report", "web"),
            ("query-engine", "api"),
        ],
    ),
    (
        "logistics",
        &[
            ("routing", "api"),
            ("tracking", "api"),
            ("warehouse", "api"),
            ("label-printer", "worker"),
        ],
    ),
    (
        "messaging",
        &[
            ("inbox", "api"),
            ("mailer", "worker"),
            ("push", "worker"),
            ("template", "api"),
        ],
    ),
    (
        "monitoring",
        &[
            ("metrics", "infra"),
            ("alerts", "infra"),
            ("dashboards", "web"),
        ],
    ),
    (
        "ingress",
        &[("edge-proxy", "infra"), ("certificates", "infra")],
    ),
    (
        "kube-system",
        &[
            ("coredns", "infra"),
            ("autoscaler", "infra"),
            ("csi-controller", "infra"),
        ],
    ),
    (
        "staging",
        &[("frontend", "web"), ("cart", "api"), ("checkout", "api")],
    ),
];

/// What a second deployment of an application is called.
pub(super) const VARIANTS: &[&str] = &[
    "canary", "eu", "us", "internal", "beta", "batch", "readonly",
];

/// One of several, each as likely as the others.
///
/// # Panics
/// If there is none to pick from, which the tables here rule out.
pub(super) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    let index = usize::try_from(rng.below(from.len() as u64)).unwrap_or(0);
    &from[index]
}
