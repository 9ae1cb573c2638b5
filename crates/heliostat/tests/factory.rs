//! `SharedInformerFactory`: who gets which informer, how long it lives, and how all of them end.
//!
//! Time is tokio's paused clock: it moves only when nothing else can.
#![cfg(feature = "memory")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heliostat::informer::{FactoryOptions, FactoryShutDown};
use heliostat::source::memory::MemorySource;
use heliostat::testing::connection_refused;
use heliostat::{HandlerFuncs, Notification, SharedInformer, SharedInformerFactory};
use heliostat_core::rng::Rng;

type Source = MemorySource<String>;

fn source(names: &[&str]) -> Source {
    let source = Source::new();
    for name in names {
        source
            .create(name.parse().unwrap(), (*name).to_owned())
            .unwrap();
    }
    source
}

fn informer(factory: &SharedInformerFactory, key: &str, source: &Source) -> SharedInformer<String> {
    factory.informer_for(key, || source.clone()).unwrap()
}

/// A source whose lists never succeed.
fn unreachable() -> Source {
    let source = source(&[]).without_watch_list();
    for _ in 0..1000 {
        source.fail_next_list(connection_refused());
    }
    source
}

#[tokio::test(start_paused = true)]
async fn if_01_all_who_ask_for_the_same_share_one_mirror() {
    let (colours, made) = (source(&["red"]), AtomicUsize::new(0));
    let factory = SharedInformerFactory::new();
    let ask = || {
        factory.informer_for("colours", || {
            made.fetch_add(1, Ordering::Relaxed);
            colours.clone()
        })
    };
    let (one, other) = (ask().unwrap(), ask().unwrap());
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(made.into_inner(), 1);
    assert_eq!(factory.informers().len(), 1);
    assert!(one.is_synced() && other.is_synced());
    colours.wait_for_open_watches(1).await;
    assert_eq!(colours.open_watches(), 1);
    factory.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn if_01_another_key_or_another_type_is_another_informer() {
    let factory = SharedInformerFactory::new();
    let texts = informer(&factory, "a", &source(&["x"]));
    let others = informer(&factory, "b", &source(&["y", "z"]));
    let numbers = factory.informer_for("a", MemorySource::<u64>::new).unwrap();
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();
    let counts = [
        texts.indexer().len(),
        others.indexer().len(),
        numbers.indexer().len(),
    ];
    assert_eq!(counts, [1, 2, 0]);
    assert_eq!(factory.informers().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn if_01_defaults_then_the_type_then_the_caller_set_an_informer_up() {
    let options = FactoryOptions::new()
        .resync_period(Duration::from_secs(10))
        .setup::<Source>(|builder| {
            builder
                .name("by type")
                .transform(|text: String| Ok::<_, Infallible>(text.to_uppercase()))
        });
    let factory = SharedInformerFactory::with_options(options);
    let plain = informer(&factory, "plain", &source(&["x"]));
    let named = factory
        .informer_with(
            "named",
            || source(&["y"]),
            |builder| builder.name("by caller").resync_period(Duration::ZERO),
        )
        .unwrap();
    assert_eq!((plain.name(), named.name()), ("by type", "by caller"));

    let (mut told, mut untold) = (plain.subscribe().unwrap(), named.subscribe().unwrap());
    factory.start();
    let first = told.recv().await.unwrap();
    assert_eq!(
        *first.entry().unwrap().object,
        "X",
        "transformed by the set-up of the type"
    );
    assert!(matches!(told.recv().await, Some(Notification::Synced)));
    // The factory's period stands for one, the caller's (never) for the other.
    assert!(told.recv().await.unwrap().is_sync());
    assert!(matches!(
        untold.recv().await,
        Some(Notification::Added { .. })
    ));
    assert!(matches!(untold.recv().await, Some(Notification::Synced)));
    let later = tokio::time::timeout(Duration::from_secs(60), untold.recv()).await;
    assert!(later.is_err(), "{later:?}");
    // Every informer has the index by namespace, generated or not.
    assert_eq!(plain.indexer().in_namespace("").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn if_01_all_informers_share_one_budget_for_their_lists() {
    use heliostat::RequestBudget;
    use heliostat::reflector::BudgetConfig;
    use std::num::NonZeroUsize;

    let one_at_a_time = BudgetConfig::new().limit(NonZeroUsize::MIN);
    let budget = RequestBudget::seeded(one_at_a_time, 1);
    let held = budget.acquire().await;
    let factory = SharedInformerFactory::with_options(FactoryOptions::new().budget(budget.clone()));
    let free = SharedInformerFactory::with_options(FactoryOptions::new().without_budget());
    let sources = [source(&["x"]), source(&["y"])];
    let kept = [
        informer(&factory, "x", &sources[0]),
        informer(&factory, "y", &sources[1]),
    ];
    let unbound = informer(&free, "z", &source(&["z"]));
    factory.start();
    free.start();
    free.wait_synced(Duration::MAX).await.unwrap();
    assert!(unbound.is_synced());
    let error = factory
        .wait_synced(Duration::from_secs(5))
        .await
        .unwrap_err();
    assert_eq!(error.unsynced().len(), 2, "{error}");
    assert_eq!(budget.waiting(), 2);
    drop(held);
    factory.wait_synced(Duration::MAX).await.unwrap();
    assert!(kept.iter().all(SharedInformer::is_synced));
}

#[tokio::test(start_paused = true)]
async fn if_02_start_starts_what_is_not_started_and_waits_for_nothing() {
    let factory = SharedInformerFactory::new();
    let first = informer(&factory, "first", &unreachable());
    factory.start();
    assert!(first.is_started() && !first.is_synced());
    let second = informer(&factory, "second", &source(&["x"]));
    assert!(
        !second.is_started(),
        "an informer that came after the start waits for another"
    );
    factory.start();
    factory.start();
    second.wait_synced(Duration::MAX).await.unwrap();
    assert!(
        !first.is_synced(),
        "nobody was held up by the one that cannot list"
    );
    factory.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn if_02_if_04_after_a_shutdown_nothing_is_given_or_started() {
    let factory = SharedInformerFactory::new();
    let late = informer(&factory, "late", &source(&["x"]));
    factory.shutdown().await;
    factory.start();
    assert!(late.is_stopped() && factory.is_shut_down());
    let asked = factory.informer_for("other", Source::new);
    assert_eq!(asked.err(), Some(FactoryShutDown));
}

#[tokio::test(start_paused = true)]
async fn if_03_waiting_names_those_that_are_not_synced_in_order() {
    let factory = SharedInformerFactory::new();
    let named = |name: &'static str, source: Source| {
        let informer = factory.informer_with(name, || source, |builder| builder.name(name));
        informer.unwrap()
    };
    let kept = [
        named("pods", unreachable()),
        named("nodes", source(&["x"])),
        named("events", unreachable()),
    ];
    factory.start();
    // This one is not started, so nobody waits for it.
    let unstarted = named("alpha", source(&["y"]));
    let error = factory
        .wait_synced(Duration::from_secs(30))
        .await
        .unwrap_err();
    assert_eq!(error.unsynced(), ["events", "pods"]);
    assert!(error.cause().to_string().contains("timed out"), "{error}");
    assert!(kept[1].is_synced() && !unstarted.is_started());
    factory.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn if_03_a_shutdown_ends_the_waiting() {
    let factory = SharedInformerFactory::new();
    let kept = informer(&factory, "pods", &unreachable());
    factory.start();
    let waiting = tokio::spawn({
        let factory = factory.clone();
        async move { factory.wait_synced(Duration::MAX).await }
    });
    tokio::task::yield_now().await;
    factory.shutdown().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.unsynced(), [kept.name()]);
}

#[tokio::test(start_paused = true)]
async fn if_03_with_nothing_started_there_is_nothing_to_wait_for() {
    let factory = SharedInformerFactory::new();
    let _kept = informer(&factory, "pods", &source(&["x"]));
    factory.wait_synced(Duration::MAX).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn if_04_a_shutdown_waits_for_mirrors_and_handlers_and_may_be_repeated() {
    let pods = source(&["x"]);
    let factory = SharedInformerFactory::new();
    let informer = informer(&factory, "pods", &pods);
    let token = Arc::new(());
    let handler = HandlerFuncs::new().on_add({
        let token = Arc::clone(&token);
        move |_, _| drop(Arc::clone(&token))
    });
    let registration = informer.add_handler(handler).unwrap();
    factory.start();
    registration.wait_synced(Duration::MAX).await.unwrap();
    pods.wait_for_open_watches(1).await;

    let (one, other) = (factory.clone(), factory.clone());
    tokio::join!(one.shutdown(), other.shutdown());
    assert!(informer.is_stopped());
    assert_eq!(Arc::strong_count(&token), 1, "the handler's task has ended");
    assert_eq!(pods.open_watches(), 0);
    assert_eq!(informer.indexer().len(), 1, "the store keeps what it holds");
    factory.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn if_04_a_shutdown_that_is_given_up_goes_on_by_itself() {
    let pods = source(&["x"]);
    let factory = SharedInformerFactory::new();
    let informer = informer(&factory, "pods", &pods);
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();
    let mut shutdown = Box::pin(factory.shutdown());
    assert!(futures_util::poll!(&mut shutdown).is_pending());
    drop(shutdown);
    factory.shutdown().await;
    assert!(informer.is_stopped());
    assert_eq!(pods.open_watches(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_mirror_that_nobody_uses_stops_and_asking_again_makes_a_new_one() {
    let pods = source(&["x"]);
    let factory = SharedInformerFactory::new();
    let first = informer(&factory, "pods", &pods);
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();
    pods.wait_for_open_watches(1).await;

    // What keeps it, one after the other.
    let registration = first.add_handler(HandlerFuncs::new()).unwrap();
    drop(first);
    assert_eq!(factory.informers().len(), 1, "a registration does");
    let subscription = informer(&factory, "pods", &pods).subscribe().unwrap();
    drop(registration);
    assert_eq!(factory.informers().len(), 1, "a subscription does");
    let lister = informer(&factory, "pods", &pods).lister("pods");
    drop(subscription);
    assert_eq!(factory.informers().len(), 1, "a lister does");
    assert_eq!(*lister.get("x").unwrap().object, "x");
    drop(lister);
    assert!(factory.informers().is_empty());
    pods.wait_for_open_watches(0).await;

    pods.create("y".parse().unwrap(), "y".to_owned()).unwrap();
    let again = informer(&factory, "pods", &pods);
    assert!(!again.is_started());
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(again.indexer().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_factory_is_not_the_end_of_its_informers() {
    let pods = source(&["x"]);
    let factory = SharedInformerFactory::new();
    let informer = informer(&factory, "pods", &pods);
    factory.start();
    drop(factory);
    informer.wait_synced(Duration::MAX).await.unwrap();
    assert_eq!(informer.indexer().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn kinds_come_and_go_while_the_others_run() {
    let (pods, nodes) = (source(&["x"]), source(&["n"]));
    let factory = SharedInformerFactory::new();
    let pods_informer = informer(&factory, "pods", &pods);
    let nodes_informer = informer(&factory, "nodes", &nodes);
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();

    let mut events = pods_informer.subscribe().unwrap();
    assert!(factory.remove::<String>(&"pods".into()).await);
    assert!(pods_informer.is_stopped() && !nodes_informer.is_stopped());
    while let Some(notification) = events.recv().await {
        assert!(matches!(
            notification,
            Notification::Added { .. } | Notification::Synced
        ));
    }
    assert!(
        !factory.remove::<String>(&"pods".into()).await,
        "it is gone"
    );
    assert!(
        !factory.remove::<u64>(&"nodes".into()).await,
        "of another type"
    );

    let again = informer(&factory, "pods", &pods);
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();
    assert!(again.is_synced() && !nodes_informer.is_stopped());
}

#[tokio::test(start_paused = true)]
async fn an_informer_that_its_user_stopped_makes_room_for_a_new_one() {
    let pods = source(&["x"]);
    let factory = SharedInformerFactory::new();
    let first = informer(&factory, "pods", &pods);
    factory.start();
    first.shutdown().await;
    let again = informer(&factory, "pods", &pods);
    factory.start();
    again.wait_synced(Duration::MAX).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_informer_can_be_looked_at_without_its_type() {
    let factory = SharedInformerFactory::new();
    let numbers = MemorySource::<u64>::new();
    let kept = (
        factory
            .informer_with(
                "texts",
                || source(&["x", "y"]),
                |builder| builder.name("texts"),
            )
            .unwrap(),
        factory
            .informer_with(
                "numbers",
                || numbers.clone(),
                |builder| builder.name("numbers"),
            )
            .unwrap(),
    );
    let _registration = kept.0.add_handler(HandlerFuncs::new()).unwrap();
    factory.start();
    factory.wait_synced(Duration::MAX).await.unwrap();
    let seen: Vec<_> = factory
        .informers()
        .iter()
        .map(|informer| {
            assert!(informer.is_started() && informer.is_synced() && !informer.is_stopped());
            assert_eq!((informer.queue_depth(), informer.queue_age()), (0, None));
            assert!(informer.watch_status().is_some());
            let name = informer.name().to_owned();
            (name, informer.object_count(), informer.handlers().len())
        })
        .collect();
    assert_eq!(
        seen,
        [("numbers".to_owned(), 0, 0), ("texts".to_owned(), 2, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_makes_an_informer_may_ask_the_factory() {
    let factory = SharedInformerFactory::new();
    let pods = source(&["x"]);
    let mut inner = None;
    let outer = factory
        .informer_for("outer", || {
            // The same key, asked for while it is being made: whoever is first, both get that one.
            inner = Some(informer(&factory, "outer", &pods));
            pods.clone()
        })
        .unwrap();
    factory.start();
    outer.wait_synced(Duration::MAX).await.unwrap();
    assert!(inner.is_some_and(|inner| inner.is_synced()));
    assert_eq!(factory.informers().len(), 1);
}

/// Asks for informers, uses them a little, lets go of them, takes them away from others, until the
/// factory gives none any more. Gives how often it was given one.
async fn ask_and_let_go(factory: SharedInformerFactory, sources: Vec<Source>, seed: u64) -> usize {
    let mut rng = Rng::seeded(seed);
    let mut given = 0;
    loop {
        let number = usize::try_from(rng.below(sources.len() as u64)).unwrap();
        let key = format!("source {number}");
        let Ok(informer) = factory.informer_for(key.as_str(), || sources[number].clone()) else {
            return given;
        };
        given += 1;
        factory.start();
        match rng.below(5) {
            0 => drop(factory.remove::<String>(&key.into()).await),
            1 => drop(informer.wait_synced(Duration::MAX).await),
            2 => assert!(factory.informers().len() <= sources.len()),
            _ => {
                // An error says that somebody stopped it.
                if let Ok(mut events) = informer.subscribe() {
                    drop(informer);
                    events.recv().await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_ask_and_let_go_until_the_factory_is_shut_down() {
    let sources: Vec<_> = (0..4).map(|_| source(&["x", "y"])).collect();
    let factory = SharedInformerFactory::with_options(FactoryOptions::new().without_budget());
    let tasks: Vec<_> = (0..8)
        .map(|seed| tokio::spawn(ask_and_let_go(factory.clone(), sources.clone(), seed)))
        .collect();
    // Until there has been some coming and going.
    for source in &sources {
        source.wait_for_requests(100).await;
    }
    factory.shutdown().await;
    for task in tasks {
        assert!(task.await.unwrap() > 0);
    }
    assert!(factory.informers().is_empty());
    for source in &sources {
        source.wait_for_open_watches(0).await;
    }
}
