//! Registries, asked side by side: one that is away is asked once, however many tags it has, and keeps none of the others waiting.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::tags::registry;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::engine::{Engine, EngineError};

/// How many tags of one registry are asked for at a time.
const AT_ONCE: usize = 4;
/// How long all of them together may take: whatever comes to be put right meanwhile has to wait for them.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tag that is asked for.
pub(super) struct Question {
    /// The reference as the Compose file has it.
    pub(super) reference: String,
    /// How often it is.
    pub(super) every: Duration,
    /// How often in a row it has not been answered.
    pub(super) unanswered: u32,
}

/// A tag, and where it leads; or why that is not known.
pub(super) type Answer = (Question, Result<String, String>);

/// Asks where tags lead.
///
/// Cancel-safe: it only reads.
pub(super) async fn ask(engine: &dyn Engine, questions: Vec<Question>) -> Vec<Answer> {
    let deadline = Instant::now() + PATIENCE;
    let mut by_registry: BTreeMap<String, Vec<Question>> = BTreeMap::new();
    for question in questions {
        by_registry.entry(registry(&question.reference).to_owned()).or_default().push(question);
    }
    let asked = by_registry.into_values().map(|questions| ask_one(engine, questions, deadline));
    join_all(asked).await.into_iter().flatten().collect()
}

/// One registry: all of its tags at once only when it has answered for one.
async fn ask_one(engine: &dyn Engine, mut questions: Vec<Question>, deadline: Instant) -> Vec<Answer> {
    // What it never answers for is not always asked first, in the place of all others.
    let turn = questions.iter().map(|it| it.unanswered).max().unwrap_or_default() as usize;
    let turn = turn.checked_rem(questions.len()).unwrap_or_default();
    questions.rotate_left(turn);
    let mut questions = questions.into_iter();
    let mut answers = Vec::new();
    while let Some(question) = questions.next() {
        match digest(engine, &question.reference, deadline).await {
            Ok(digest) => {
                answers.push((question, Ok(digest)));
                break;
            }
            Err(Unanswered { why, is_away: false }) => answers.push((question, Err(why))),
            Err(Unanswered { why, is_away: true }) => {
                let others = format!("its registry did not answer for {} either: {why}", question.reference);
                answers.push((question, Err(why)));
                answers.extend(questions.by_ref().map(|question| (question, Err(others.clone()))));
            }
        }
    }
    let others = futures_util::stream::iter(questions).map(|question| async move {
        let answer = digest(engine, &question.reference, deadline).await;
        (question, answer.map_err(|unanswered| unanswered.why))
    });
    answers.extend(others.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    answers
}

struct Unanswered {
    why: String,
    /// It would not answer for another tag either.
    is_away: bool,
}

async fn digest(engine: &dyn Engine, reference: &str, deadline: Instant) -> Result<String, Unanswered> {
    match timeout_at(deadline, engine.digest(reference)).await {
        Ok(Ok(digest)) => Ok(digest),
        Ok(Err(error)) => Err(Unanswered { why: error.to_string(), is_away: is_away(&error) }),
        Err(_) => {
            let why = format!("it did not answer within {} s", PATIENCE.as_secs());
            Err(Unanswered { why, is_away: true })
        }
    }
}

/// The engine passes on a registry's *no* as what it is (401, 403, 404), and says 500 where it could not ask.
fn is_away(error: &EngineError) -> bool {
    match error {
        EngineError::Unreachable { .. } | EngineError::Timeout { .. } => true,
        EngineError::PullFailed { transient, .. } => *transient,
        EngineError::Refused { status, .. } => *status >= 500,
        _ => false,
    }
}
