//! All entries below the bases, page by page.

use super::Directory;
use super::connection::{Connection, Page};
use super::found::Found;
use crate::ports::{DirectoryError, SyncError};

/// A search below every base. Results that the server cut off are an error: nobody may take a part for all.
pub(super) struct Pages<'a> {
    connection: &'a Connection,
    bases: std::slice::Iter<'a, String>,
    /// The base that is being searched, and the server's cookie for its next page.
    at: Option<(&'a str, Vec<u8>)>,
    filter: String,
    attributes: Vec<String>,
    count: usize,
}

impl Directory {
    /// Returns the search for entries below the bases. It sends nothing yet.
    pub(super) fn pages<'a>(
        &'a self,
        connection: &'a Connection,
        filter: String,
        attributes: Vec<String>,
    ) -> Pages<'a> {
        let bases = self.config.bases.iter();
        Pages { connection, bases, at: None, filter, attributes, count: 0 }
    }
}

impl Pages<'_> {
    /// Returns the next page; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Found>>, SyncError> {
        let next_base = || self.bases.next().map(|base| (base.as_str(), Vec::new()));
        let Some((base, after)) = self.at.take().or_else(next_base) else { return Ok(None) };
        let page = self.connection.page(base, &self.filter, self.attributes.clone(), after).await;
        let Page { entries, next, is_cut_off } = page.map_err(DirectoryError::from)?;
        self.count += entries.len();
        if is_cut_off {
            return Err(SyncError::SizeLimit(self.count));
        }
        self.at = next.map(|next| (base, next));
        Ok(Some(entries))
    }
}
