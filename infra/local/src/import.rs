//! Imports the people of the file into the tables, and counts them for decoys.

use std::sync::Arc;

use rekey_people::failure::{Failure, with_causes};
use rekey_people::import::{Hashing, Importer, Policy, Summary, Unhashed};
use shared::domain::import::Overwrite;
use shared::ports::{ContactImport, OrganisationSignIn};
use shared::process::{Process, StartError};

use crate::people::People;

/// What the file of the local environment may do: a later file changes whatever an earlier one wrote.
const fn policy(hashing: Hashing) -> Policy {
    Policy {
        overwrite: Overwrite::Imported,
        notifies: true,
        accepts_losses: true,
        keeps_people: false,
        hashing,
    }
}

/// The tables that people are imported into.
pub struct Tables {
    /// Imports the file.
    pub importer: Importer,
    /// Finds accounts and signs in.
    pub directory: Arc<dyn OrganisationSignIn>,
    /// Writes contacts.
    pub contacts: Arc<dyn ContactImport>,
    /// Counts the people afterwards, for decoys.
    pub housekeeping: housekeeping::Ports,
}

/// The result of an import.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// The numbers.
    pub summary: Summary,
    /// Changes of existing people, and rows that were ignored: one line each, by row and column.
    pub lines: Vec<String>,
}

impl Tables {
    /// Builds the tables from a process that knows all of them.
    ///
    /// # Errors
    /// [`StartError`] if it doesn't.
    pub fn from_process(process: &Process) -> Result<Self, StartError> {
        Ok(Self {
            importer: Importer::from_process(process)?,
            directory: process.organisation_sign_in()?,
            contacts: process.contact_import()?,
            housekeeping: housekeeping::Ports::from_process(process)?,
        })
    }

    /// Imports the people, as [`rekey_people::import`] describes, and counts the population that decoys are drawn from.
    /// Returns the new accounts whose passwords are hashed later, too.
    ///
    /// # Errors
    /// [`Failure`] if a store can't be read or written.
    pub async fn import(&self, people: &People, hashing: Hashing) -> Result<(Imported, Unhashed), Failure> {
        let file = &people.file;
        let failed = |error: rekey_people::import::Failed| {
            Failure::new(format!("{file} can't be imported: {}. Start again", with_causes(&*error)))
        };
        let plan = self.importer.plan(people, policy(hashing)).await.map_err(failed)?;
        let unhashed = match hashing {
            Hashing::WithAccount => Unhashed::default(),
            Hashing::Later => plan.unhashed().map_err(failed)?,
        };
        self.importer.apply(&plan, &|_| {}, std::future::pending()).await.map_err(failed)?;
        housekeeping::population::refresh(&self.housekeeping).await.map_err(|error| {
            Failure::new(format!("the people can't be counted: {}. Start again", with_causes(&*error)))
        })?;
        let lines = plan.remarks.iter().map(|remark| remark.line(file)).collect();
        Ok((Imported { summary: plan.summary, lines }, unhashed))
    }
}
