//! Owns what there is of an object's database without the feature `testing-sql`: nothing.

use super::super::Rows;
use crate::error::{Error, Result};
use crate::value::SqlStorageValue;

#[derive(Default)]
pub(super) struct Database;

#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "the interface of the database"
)]
impl Database {
    pub(super) fn exec(&mut self, _: &str, _: &[SqlStorageValue]) -> Result<Rows> {
        Err(Error::Unsupported(
            "SQL in tests without the feature `testing-sql` of the crate `pairway`: turn it on under [dev-dependencies]"
                .to_owned(),
        ))
    }

    pub(super) fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn rollback(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn wipe(&mut self) -> Result<()> {
        Ok(())
    }

    pub(super) fn size(&self) -> Result<u64> {
        Ok(0)
    }
}
