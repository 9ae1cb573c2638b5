//! The tools of a check: writing with a record of what was written, whole lists, and a reader of a
//! watch that never waits for ever.

use std::fmt;
use std::future::Future;
use std::pin::pin;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use heliostat::source::{ChangeKind, ListOptions, ListPart, WatchOptions, WatchStream};
use heliostat::{ListerWatcher, ResourceVersion, SourceError};

use crate::harness::{Ability, HarnessError, ObjectOf, Scope};
use crate::report::{Breach, Checked, Stop, ensure};
use crate::seen::{Answer, Change, Seen, State, show};

/// How many pages a list of a check's few objects can have before it counts as endless.
const PAGES_MAX: usize = 100;

/// One check's use of its collection.
pub(crate) struct Session<'a, S> {
    scope: &'a S,
}

/// Reads one watch.
pub(crate) struct Reader<'a, S: Scope> {
    scope: &'a S,
    stream: WatchStream<ObjectOf<S>>,
}

impl<'a, S: Scope> Session<'a, S> {
    pub(crate) const fn new(scope: &'a S) -> Self {
        Self { scope }
    }

    pub(crate) const fn scope(&self) -> &'a S {
        self.scope
    }

    /// Creates an object; gives the change that a watch must see.
    pub(crate) async fn create(&self, name: &str, value: u64) -> Checked<Change> {
        let header = self.scope.create(name, value).await?;
        Ok(Change::new(
            ChangeKind::Added,
            State::written(header, value),
        ))
    }

    /// Updates an object; gives the change that a watch must see.
    pub(crate) async fn update(&self, name: &str, value: u64) -> Checked<Change> {
        let header = self.scope.update(name, value).await?;
        Ok(Change::new(
            ChangeKind::Modified,
            State::written(header, value),
        ))
    }

    /// Deletes an object whose last state is known; gives the change that a watch must see.
    pub(crate) async fn delete(&self, last: &State) -> Checked<Change> {
        self.scope.delete(last.key.name()).await?;
        let state = State {
            version: ResourceVersion::UNSET,
            ..last.clone()
        };
        Ok(Change::new(ChangeKind::Deleted, state))
    }

    /// Creates objects with the values 1, 2, 3, ..; gives their states.
    pub(crate) async fn create_all(&self, names: &[&str]) -> Checked<Vec<State>> {
        let mut states = Vec::with_capacity(names.len());
        for (value, name) in (1..).zip(names) {
            states.push(self.create(name, value).await?.state);
        }
        Ok(states)
    }

    /// One page; an answer that is refused or cut off is the inner error.
    pub(crate) async fn page(&self, options: &ListOptions) -> Checked<Result<Answer, SourceError>> {
        let request = async {
            let stream = self.scope.source().list(options.clone()).await;
            let mut stream = match stream {
                Ok(stream) => stream,
                Err(error) => return Err(error.into()),
            };
            let mut parts = Vec::new();
            while let Some(part) = stream.next().await {
                parts.push(part?);
            }
            Ok(parts)
        };
        let what = "a whole answer to a list";
        match self.within(request, what).await? {
            Ok(parts) => self.answer(parts).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// One page that must be served.
    pub(crate) async fn served_page(&self, options: &ListOptions) -> Checked<Answer> {
        let answer = self.page(options).await?;
        answer.map_err(|error| {
            let request = format!("a list with {:?}", options.query());
            Breach::Refused { request, error }.into()
        })
    }

    /// All pages of a list, each with `between` done before the next is asked for.
    pub(crate) async fn pages(
        &self,
        first: &ListOptions,
        mut between: impl AsyncFnMut(usize) -> Checked,
    ) -> Checked<Vec<Answer>> {
        let mut options = first.clone();
        let mut pages = Vec::new();
        while pages.len() < PAGES_MAX {
            let page = self.served_page(&options).await?;
            let token = page.metadata.continue_token.clone();
            pages.push(page);
            let Some(token) = token.filter(|token| !token.is_empty()) else {
                return Ok(pages);
            };
            between(pages.len()).await?;
            options = next_page(first, token);
        }
        let seen = format!("{PAGES_MAX} pages and no end");
        Err(Stop::unexpected("a list that comes to an end", seen))
    }

    /// The present state and its version.
    pub(crate) async fn list(&self) -> Checked<Answer> {
        self.served_page(&ListOptions::default()).await
    }

    /// A watch that must be accepted.
    pub(crate) async fn watch(&self, options: WatchOptions) -> Checked<Reader<'a, S>> {
        let request = format!("a watch with {:?}", options.query());
        let opened = self.try_watch(options).await?;
        opened.map_err(|error| Breach::Refused { request, error }.into())
    }

    /// A watch that may be refused: the inner error.
    pub(crate) async fn try_watch(
        &self,
        options: WatchOptions,
    ) -> Checked<Result<Reader<'a, S>, SourceError>> {
        let request = self.scope.source().watch(options);
        let opened = self.within(request, "a watch to be accepted").await?;
        let scope = self.scope;
        Ok(match opened {
            Ok(stream) => Ok(Reader { scope, stream }),
            Err(error) => Err(error.into()),
        })
    }

    /// Waits no longer than the harness does.
    pub(crate) async fn within<R>(
        &self,
        wait: impl Future<Output = R>,
        expected: impl fmt::Display,
    ) -> Checked<R> {
        within(self.scope, wait, expected).await
    }

    fn answer(&self, parts: Vec<ListPart<ObjectOf<S>>>) -> Checked<Answer> {
        let mut told = Vec::new();
        let mut states = Vec::new();
        let mut rejections = Vec::new();
        for part in parts {
            match part {
                ListPart::Metadata(metadata) => told.push(metadata),
                ListPart::Items(items) => {
                    for item in items {
                        match item {
                            Ok(entry) => states.push(State::read(self.scope, &entry)),
                            Err(rejection) => rejections.push(rejection),
                        }
                    }
                }
            }
        }
        let count = told.len();
        let (Some(metadata), 1) = (told.pop(), count) else {
            return Err(Stop::unexpected(
                "an answer with its metadata once",
                format!("an answer with metadata {count} times"),
            ));
        };
        ensure(
            metadata.resource_version.is_real(),
            "a list that tells its version",
            format!("the version {:?}", metadata.resource_version.to_string()),
        )?;
        Ok(Answer {
            metadata,
            states,
            rejections,
        })
    }
}

impl<S: Scope> Reader<'_, S> {
    /// What comes next, whatever it is.
    pub(crate) async fn next(&mut self, expected: impl fmt::Display) -> Checked<Seen> {
        let item = within(self.scope, self.stream.next(), expected).await?;
        Ok(Seen::read(self.scope, item))
    }

    /// The next change; bookmarks are passed by.
    pub(crate) async fn next_change(&mut self, expected: impl fmt::Display) -> Checked<Change> {
        loop {
            match self.next(&expected).await? {
                Seen::Change(change) => return Ok(change),
                Seen::Bookmark { .. } => {}
                other => return Err(Stop::unexpected(expected, other)),
            }
        }
    }

    /// Exactly these changes, in this order; gives them as they came.
    pub(crate) async fn expect(&mut self, changes: &[Change]) -> Checked<Vec<Change>> {
        let mut seen = Vec::with_capacity(changes.len());
        for change in changes {
            let next = self.next_change(change).await?;
            ensure(change.is_met_by(&next), change, &next)?;
            seen.push(next);
        }
        Ok(seen)
    }

    /// Exactly these states as added, in any order.
    pub(crate) async fn expect_state(&mut self, states: &[State]) -> Checked {
        let mut seen = Vec::with_capacity(states.len());
        for _ in states {
            let expected = format!("the state {}, of which {} came", show(states), show(&seen));
            let change = self.next_change(&expected).await?;
            ensure(change.kind == ChangeKind::Added, &expected, &change)?;
            seen.push(change.state);
        }
        expect_same(states, &seen)
    }
}

/// The present state or 0, or changes after a version, with bookmarks.
pub(crate) fn watch_from(version: impl Into<ResourceVersion>) -> WatchOptions {
    WatchOptions {
        resource_version: version.into(),
        allow_bookmarks: true,
        ..WatchOptions::default()
    }
}

/// The request for the page after one of this list's.
pub(crate) fn next_page(first: &ListOptions, token: String) -> ListOptions {
    ListOptions {
        limit: first.limit,
        continue_token: Some(token),
        ..ListOptions::default()
    }
}

/// Passes the check over if the collection cannot do what it needs.
pub(crate) fn need(ability: Result<Ability, HarnessError>, lacking: &'static str) -> Checked {
    match ability? {
        Ability::Done => Ok(()),
        Ability::Lacking => Err(Stop::PassOver(lacking)),
    }
}

/// The same states, each once, in whatever order.
pub(crate) fn expect_same(expected: &[State], seen: &[State]) -> Checked {
    let is_among = |state: &State| seen.iter().any(|seen| state.is_met_by(seen));
    let is_same = expected.len() == seen.len() && expected.iter().all(is_among);
    ensure(is_same, show(expected), show(seen))
}

async fn within<S: Scope, R>(
    scope: &S,
    wait: impl Future<Output = R>,
    expected: impl fmt::Display,
) -> Checked<R> {
    // What came in time wins over giving up, because it is asked first.
    match select(pin!(wait), pin!(scope.give_up())).await {
        Either::Left((result, _)) => Ok(result),
        Either::Right(_) => {
            let expected = expected.to_string();
            Err(Breach::Silence { expected }.into())
        }
    }
}
