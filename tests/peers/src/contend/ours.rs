//! tagalong's rewriter, in the pieces in which a sidecar reads.

use tagalong_exposition::{Options, Rewriter};

use super::{Job, Services, table};

/// What a sidecar reads at once.
const CHUNK: usize = 64 * 1024;

pub(super) fn job(input: Vec<u8>, services: &Services) -> Job {
    let table = table(services);
    let mut out = Vec::with_capacity(4 * CHUNK);
    Box::new(move |emit| {
        let mut rewriter = Rewriter::new(Options::default());
        for chunk in input.chunks(CHUNK) {
            out.clear();
            rewriter.push(&table, chunk, &mut out);
            emit(&out);
        }
        out.clear();
        rewriter.finish(&table, &mut out);
        emit(&out);
    })
}
