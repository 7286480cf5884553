//! Carries out what the rules decide.

use shared::domain::help_desk::{DeskRecord, DeskRefusal};
use shared::domain::help_desk_call::HelpRefusal;
use shared::ports::Versioned;

use crate::audit;
use crate::case::{Case, Stop};

/// Writes the record after a decision of the rules, and returns the decision. What waits for a second agent is written,
/// too.
pub(crate) async fn write<T>(
    case: &Case<'_>,
    record: &Versioned<DeskRecord>,
    decision: Result<T, DeskRefusal>,
) -> Result<T, Stop> {
    match decision {
        Ok(decided) => {
            case.write(record).await?;
            Ok(decided)
        }
        Err(DeskRefusal::NotChecked) => Err(Stop::Refused(HelpRefusal::NotChecked)),
        Err(DeskRefusal::NeedsAnotherAgent(until)) => {
            audit::second_agent_awaited(case).await?;
            case.write(record).await?;
            Err(Stop::NeedsAnotherAgent(until))
        }
    }
}
