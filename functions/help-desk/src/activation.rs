//! Gives a pass for the letter to a new person.
//!
//! Nobody hears of it by a message: the letter tells the person. The pass is worth nothing without a contact of theirs,
//! which gets the code of the other step, and every contact hears of the change that follows.

use shared::domain::help_desk::Remark;
use shared::domain::help_desk_call::{HelpAnswer, HelpRefusal};
use shared::domain::pass::{ACTIVATION_LIFETIME, PassKind};

use crate::case::{Case, Stop};
use crate::{audit, decision, pass};

/// Decides whether the person gets a letter, counts the pass, writes its event, and only then the pass. With `again` it
/// takes the place of an earlier letter's. A pass that a caller was given is never replaced.
pub(crate) async fn give(case: &Case<'_>, again: bool, reason: &Remark) -> Result<HelpAnswer, Stop> {
    let (ports, now) = (case.ports, case.now);
    if !ports.enrolment.registered(case.id()).await?.is_unused() {
        return Err(Stop::Refused(HelpRefusal::AlreadyUsed));
    }
    let registration = case.registration().await?;
    let offers = ports.settings.offers(&registration);
    if !offers.iter().any(|offer| offer.method.factor().is_contact()) {
        return Err(Stop::Refused(HelpRefusal::NoContact));
    }
    let held = ports.passes.held_pass(case.id()).await?.filter(|held| held.is_valid(now));
    if held.is_some_and(|held| !(again && held.kind == PassKind::Activation)) {
        return Err(Stop::Refused(HelpRefusal::HasPass));
    }
    let mut record = case.record().await?;
    let decision = record.value.give_activation_pass(&case.agent, now);
    decision::write(case, &record, decision).await?;
    audit::activation_pass_issued(case, reason).await?;
    pass::write(case, PassKind::Activation, now + ACTIVATION_LIFETIME, 0).await
}
