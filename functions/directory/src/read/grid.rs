//! The times of answers to sign-ins. The time of an answer would tell whether an entry was found, and whether it was
//! locked: a directory answers each of them at another speed.

use std::time::Duration;

use shared::ports::Timer;

/// No answer comes earlier. Nearly every check takes less.
const FIRST: Duration = Duration::from_millis(500);
/// A check that takes longer is answered at the next multiple.
const STEP: Duration = Duration::from_millis(250);

/// Runs `work`, and returns its result at the first time of the grid after it.
pub(super) async fn answer_on_grid<T>(timer: &dyn Timer, work: impl Future<Output = T>) -> T {
    let begun = timer.elapsed();
    let result = work.await;
    let taken = timer.elapsed().saturating_sub(begun);
    timer.sleep(answer_time(taken).saturating_sub(taken)).await;
    result
}

/// Returns the time after the beginning at which a check that took `taken` is answered.
fn answer_time(taken: Duration) -> Duration {
    if taken <= FIRST {
        return FIRST;
    }
    let steps = taken.as_millis().div_ceil(STEP.as_millis());
    STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Controls: C-157.
    #[test]
    fn answers_come_on_a_grid() {
        for (taken, answered) in [(0, 500), (71, 500), (500, 500), (501, 750), (750, 750), (1_999, 2_000)] {
            let time = answer_time(Duration::from_millis(taken));
            assert_eq!(time, Duration::from_millis(answered), "{taken} ms");
        }
    }
}
