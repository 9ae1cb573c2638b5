//! `FactoryOptions`: the defaults of the informers of a factory.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use heliostat_core::reflector::ReflectorConfig;

use crate::budget::RequestBudget;
use crate::informer::InformerBuilder;
use crate::list_watch::ListerWatcher;

/// The defaults of the informers of a factory.
///
/// The order is: these options, then the [`setup`](Self::setup) of the type of source, then the setup of
/// [`informer_with`](super::SharedInformerFactory::informer_with). Later ones override earlier ones.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # {
/// use std::convert::Infallible;
/// use std::time::Duration;
///
/// use heliostat::SharedInformerFactory;
/// use heliostat::informer::FactoryOptions;
/// use heliostat::source::memory::MemorySource;
///
/// let options = FactoryOptions::new()
///     .resync_period(Duration::from_secs(600))
///     // Texts are resynced more often, and stored in lower case.
///     .setup::<MemorySource<String>>(|builder| {
///         builder
///             .resync_period(Duration::from_secs(60))
///             .transform(|text: String| Ok::<_, Infallible>(text.to_lowercase()))
///     });
/// let factory = SharedInformerFactory::with_options(options);
/// # let _ = factory;
/// # }
/// ```
#[derive(Clone)]
pub struct FactoryOptions {
    config: ReflectorConfig,
    resync_period: Duration,
    budget: Option<RequestBudget>,
    /// By the type of source; each is a [`Setup`] of it.
    setups: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

type Setup<S> = Box<dyn Fn(InformerBuilder<S>) -> InformerBuilder<S> + Send + Sync>;

impl FactoryOptions {
    /// The defaults of a reflector, no resync, and one budget for the lists of all informers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config: ReflectorConfig::default(),
            resync_period: Duration::ZERO,
            budget: Some(RequestBudget::default()),
            setups: BTreeMap::new(),
        }
    }

    /// The options of the reflectors. See [`InformerBuilder::config`].
    #[must_use]
    pub fn config(mut self, config: ReflectorConfig) -> Self {
        self.config = config;
        self
    }

    /// Sets how often all objects are delivered again to handlers without a period of their own; zero, the
    /// default, for never. See [`InformerBuilder::resync_period`].
    #[must_use]
    pub const fn resync_period(mut self, period: Duration) -> Self {
        self.resync_period = period;
        self
    }

    /// Sets the budget that the lists of all informers share. By default they share one of their own; set
    /// one to share it with other reflectors of the process.
    #[must_use]
    pub fn budget(mut self, budget: RequestBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Removes the budget: every informer lists at once.
    #[must_use]
    pub fn without_budget(mut self) -> Self {
        self.budget = None;
        self
    }

    /// Sets options of every informer over this type of source: a transform, another resync period, indexes. A
    /// second setup of the same type replaces the first.
    #[must_use]
    pub fn setup<S: ListerWatcher>(
        mut self,
        setup: impl Fn(InformerBuilder<S>) -> InformerBuilder<S> + Send + Sync + 'static,
    ) -> Self {
        let setup: Setup<S> = Box::new(setup);
        self.setups.insert(TypeId::of::<S>(), Arc::new(setup));
        self
    }

    pub(super) fn set_up<S: ListerWatcher>(
        &self,
        builder: InformerBuilder<S>,
    ) -> InformerBuilder<S> {
        let mut builder = builder
            .config(self.config.clone())
            .resync_period(self.resync_period);
        if let Some(budget) = &self.budget {
            builder = builder.budget(budget.clone());
        }
        let setup = self.setups.get(&TypeId::of::<S>());
        match setup.and_then(|setup| setup.downcast_ref::<Setup<S>>()) {
            Some(setup) => setup(builder),
            None => builder,
        }
    }
}

impl Default for FactoryOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FactoryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactoryOptions")
            .field("config", &self.config)
            .field("resync_period", &self.resync_period)
            .field("budget", &self.budget)
            .field("setups", &self.setups.len())
            .finish()
    }
}
