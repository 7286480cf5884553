//! Computes argon2id hashes with the costs of the product, as many as its argument says. Its profile is the one that the
//! crate is fastest with, so the released functions can be compared with it.

use std::process::ExitCode;

/// The product's own costs. The rest of `shared` would be compiled for nothing.
#[path = "../../../../shared/src/domain/slow_hash.rs"]
mod slow_hash;

fn main() -> ExitCode {
    let Some(count) = std::env::args().nth(1).and_then(|argument| argument.parse::<u32>().ok()) else {
        return ExitCode::from(2);
    };
    let Ok(hasher) = slow_hash::hasher() else { return ExitCode::FAILURE };
    for number in 0..count {
        let mut hash = [0; 32];
        if hasher
            .hash_password_into(b"Kancil-Lompat-42!", &[number.to_be_bytes(); 4].concat(), &mut hash)
            .is_err()
        {
            return ExitCode::FAILURE;
        }
        std::hint::black_box(hash);
    }
    ExitCode::SUCCESS
}
