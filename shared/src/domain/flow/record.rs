//! The stored form of a flow. Attributes of conditional writes are separate fields; all else is one JSON
//! text.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    AllVerified, AwaitingAnswer, AwaitingCode, Cancelled, Choosing, DeliveryState, Done, Flow, FlowContext,
    Opened, Outcome, RequestId, StepProgress,
};
use crate::domain::keys::Tag;
use crate::domain::time::Timestamp;

/// A stored state. `AwaitingCode` may already be verified: its code slot shows it ([`AwaitingCode::after_attempt`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateName {
    /// See [`Opened`].
    Opened,
    /// See [`Choosing`].
    Choosing,
    /// See [`AwaitingCode`].
    AwaitingCode,
    /// See [`AwaitingAnswer`].
    AwaitingAnswer,
    /// See [`AllVerified`].
    AllVerified,
    /// See [`Done`].
    Done,
    /// See [`Cancelled`].
    Cancelled,
}

impl StateName {
    const ALL: [Self; 7] = [
        Self::Opened,
        Self::Choosing,
        Self::AwaitingCode,
        Self::AwaitingAnswer,
        Self::AllVerified,
        Self::Done,
        Self::Cancelled,
    ];

    /// Returns the stored name, which must not change between versions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Choosing => "choosing",
            Self::AwaitingCode => "awaiting-code",
            Self::AwaitingAnswer => "awaiting-answer",
            Self::AllVerified => "proven",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the stored name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The part of a stored flow that the single write of a verification changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CodeSlot {
    /// The tag of the sent code.
    pub code: Tag,
    /// The tag of the last attempt, if there was one.
    pub last_attempt: Option<Tag>,
    /// Attempts at this method's codes in this step.
    pub attempts: u8,
    /// The code is invalid from this time on.
    pub expires_at: Timestamp,
}

/// A flow as stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Selects the fields of the body.
    pub state: StateName,
    /// The current step, from 1; 0 before the first.
    pub step: u8,
    /// The flow ends at this time. The table deletes its item later.
    pub expires_at: Timestamp,
    /// Wrong answers of the whole flow, which the write of a verification increments.
    pub flow_attempts: u8,
    /// The awaited code, only in state `AwaitingCode`.
    pub slot: Option<CodeSlot>,
    /// All other facts, as JSON.
    pub body: String,
}

#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(rename = "facts")]
    context: FlowContext,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    progress: Option<StepProgress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<DeliveryState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<Tag>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<RequestBody>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done: Option<DoneBody>,
}

#[derive(Serialize, Deserialize)]
struct RequestBody {
    id: RequestId,
    expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct DoneBody {
    outcome: Outcome,
    at: Timestamp,
    notices_queued: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device_epoch: Option<u64>,
}

impl From<&Flow> for Record {
    fn from(flow: &Flow) -> Self {
        let mut body = Body {
            context: flow.context().clone(),
            progress: None,
            sent: None,
            contact: None,
            request: None,
            done: None,
        };
        let mut slot = None;
        let state = match flow {
            Flow::Opened(_) => StateName::Opened,
            Flow::Choosing(Choosing { progress, .. }) => {
                body.progress = Some(progress.clone());
                StateName::Choosing
            }
            Flow::AwaitingCode(state) => {
                body.progress = Some(state.progress.clone());
                body.sent = Some(state.sent.clone());
                body.contact = Some(state.contact);
                let AwaitingCode { code, last_attempt, sent, expires_at, .. } = state;
                slot = Some(CodeSlot {
                    code: *code,
                    last_attempt: *last_attempt,
                    attempts: sent.attempts,
                    expires_at: *expires_at,
                });
                StateName::AwaitingCode
            }
            Flow::AwaitingAnswer(AwaitingAnswer { progress, sent, request, expires_at, .. }) => {
                body.progress = Some(progress.clone());
                body.sent = Some(sent.clone());
                body.request = Some(RequestBody { id: *request, expires_at: *expires_at });
                StateName::AwaitingAnswer
            }
            Flow::AllVerified(AllVerified { progress, .. }) => {
                body.progress = Some(progress.clone());
                StateName::AllVerified
            }
            Flow::Done(Done { progress, outcome, at, notices_queued, device_epoch, .. }) => {
                body.progress = Some(progress.clone());
                body.done = Some(DoneBody {
                    outcome: *outcome,
                    at: *at,
                    notices_queued: *notices_queued,
                    device_epoch: *device_epoch,
                });
                StateName::Done
            }
            Flow::Cancelled(_) => StateName::Cancelled,
        };
        let progress = body.progress.as_ref();
        Self {
            state,
            step: progress.map_or(0, StepProgress::step),
            expires_at: body.context.expires_at,
            flow_attempts: progress.map_or(0, |progress| progress.flow_attempts),
            slot,
            // Serializing plain data can't fail; reading would reject an empty body.
            body: serde_json::to_string(&body).unwrap_or_default(),
        }
    }
}

impl TryFrom<Record> for Flow {
    type Error = RecordError;

    /// Reads a stored flow; one whose last attempt was right is already one step further.
    fn try_from(record: Record) -> Result<Self, RecordError> {
        let body: Body = serde_json::from_str(&record.body).map_err(|_| RecordError)?;
        let context = body.context;
        let progress = || {
            let progress = body.progress.clone().ok_or(RecordError)?;
            Ok(StepProgress { flow_attempts: record.flow_attempts, ..progress })
        };
        Ok(match record.state {
            StateName::Opened => Self::Opened(Opened { context }),
            StateName::Choosing => Self::Choosing(Choosing { progress: progress()?, context }),
            StateName::AwaitingCode => {
                let slot = record.slot.ok_or(RecordError)?;
                AwaitingCode {
                    progress: progress()?,
                    sent: DeliveryState { attempts: slot.attempts, ..body.sent.ok_or(RecordError)? },
                    code: slot.code,
                    last_attempt: slot.last_attempt,
                    contact: body.contact.ok_or(RecordError)?,
                    expires_at: slot.expires_at,
                    context,
                }
                .after_attempt()
            }
            StateName::AwaitingAnswer => {
                let request = body.request.as_ref().ok_or(RecordError)?;
                Self::AwaitingAnswer(AwaitingAnswer {
                    progress: progress()?,
                    sent: body.sent.ok_or(RecordError)?,
                    request: request.id,
                    expires_at: request.expires_at,
                    context,
                })
            }
            StateName::AllVerified => Self::AllVerified(AllVerified { progress: progress()?, context }),
            StateName::Done => {
                let done = body.done.as_ref().ok_or(RecordError)?;
                Self::Done(Done {
                    outcome: done.outcome,
                    at: done.at,
                    notices_queued: done.notices_queued,
                    device_epoch: done.device_epoch,
                    progress: progress()?,
                    context,
                })
            }
            StateName::Cancelled => Self::Cancelled(Cancelled { context }),
        })
    }
}

/// The stored flow is damaged or of another version.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the stored flow can't be read")]
pub struct RecordError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::{AccountId, Offer};
    use crate::domain::flow::{FlowLimits, Reason, Stage};
    use crate::domain::language::Language;
    use crate::domain::method::Method;
    use crate::domain::time::Seconds;

    const LIMITS: FlowLimits = FlowLimits {
        lifetime: Seconds(900),
        code_lifetime: Seconds(600),
        code_attempts: 5,
        flow_attempts: 10,
        sends_per_step: 3,
    };

    fn every_state() -> Vec<Flow> {
        let now = Timestamp::from_seconds(1_790_000_000);
        // Every method, with the masks that contacts have.
        let masked = |method: Method| match method {
            Method::Email => "a*****@*****",
            method if method.is_phone() => "*****98",
            _ => "",
        };
        let offers: Vec<Offer> = Method::ALL
            .into_iter()
            .map(|method| Offer { method, masked: masked(method).into(), young: true })
            .collect();
        let context = FlowContext {
            account: AccountId::from_directory("aisyah").unwrap(),
            decoy: false,
            generation: 7,
            behind: None,
            steps: 2,
            opened_at: now,
            expires_at: now + Seconds(900),
            offers,
            language: Language::Tamil,
            login: Some("aisyah".to_owned()),
            password_policy: None,
            known_device: false,
        };
        let opened = Opened { context };
        let choosing = opened.clone().choose(Reason::Locked);
        let tag = |byte| Tag::from_bytes([byte; 32]);
        let mut awaiting = choosing.clone().send(Method::Email, tag(1), tag(2), now, &LIMITS);
        awaiting.last_attempt = Some(tag(3));
        awaiting.sent.attempts = 2;
        awaiting.progress.flow_attempts = 4;
        let verified = choosing
            .clone()
            .verify(Method::Totp, true, tag(4))
            .unwrap()
            .choosing()
            .unwrap()
            .verify(Method::Email, true, tag(5))
            .unwrap()
            .all_verified(Stage::Unlock)
            .unwrap();
        vec![
            Flow::Opened(opened),
            Flow::Choosing(choosing.clone()),
            Flow::AwaitingCode(awaiting),
            Flow::AwaitingAnswer(choosing.clone().ask(
                Method::Push,
                RequestId::from_bytes([6; 16]),
                now,
                Seconds(90),
            )),
            Flow::AllVerified(verified.clone()),
            Flow::Done(verified.finish(now, false)),
            Flow::Choosing(choosing).cancel(),
        ]
    }

    #[test]
    fn flow_in_every_state_round_trips() {
        for flow in every_state() {
            let record = Record::from(&flow);
            let read = Flow::try_from(record.clone()).unwrap();
            assert_eq!(read.stage(), flow.stage());
            assert_eq!(Record::from(&read), record);
        }
    }

    #[test]
    fn stored_attempt_counts_are_restored() {
        let mut record = Record::from(&every_state()[2]);
        assert_eq!((record.flow_attempts, record.slot.as_ref().map(|slot| slot.attempts)), (4, Some(2)));
        // The write of an attempt increments the attribute; the body keeps the older number.
        record.flow_attempts = 5;
        record.slot.as_mut().unwrap().attempts = 3;
        let Flow::AwaitingCode(read) = Flow::try_from(record).unwrap() else { panic!("a code is awaited") };
        assert_eq!((read.progress.flow_attempts, read.sent.attempts), (5, 3));
    }

    #[test]
    fn stored_state_names_are_unchanged() {
        let words = StateName::ALL.map(StateName::as_str);
        assert_eq!(
            words,
            ["opened", "choosing", "awaiting-code", "awaiting-answer", "proven", "done", "cancelled"]
        );
        assert_eq!(words.map(StateName::parse), StateName::ALL.map(Some));
        assert_eq!(StateName::parse(""), None);
    }

    #[test]
    fn record_with_correct_code_is_verified_step() {
        let mut record = Record::from(&every_state()[2]);
        let slot = record.slot.as_mut().unwrap();
        slot.last_attempt = Some(slot.code);
        let flow = Flow::try_from(record).unwrap();
        assert_eq!((flow.stage(), flow.verified()), (Stage::Method, 1));
    }

    #[test]
    fn flow_record_fits_one_write_unit() {
        for flow in every_state() {
            let record = Record::from(&flow);
            assert!(record.body.len() < 850, "{:?} has {} bytes", record.state, record.body.len());
        }
    }

    #[test]
    fn incomplete_record_is_rejected() {
        for flow in every_state() {
            let record = Record::from(&flow);
            assert!(Flow::try_from(Record { body: String::new(), ..record.clone() }).is_err());
            if record.state == StateName::AwaitingCode {
                assert!(Flow::try_from(Record { slot: None, ..record }).is_err());
            }
        }
    }
}
