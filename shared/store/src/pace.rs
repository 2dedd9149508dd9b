//! How many rows a scan reads at once, as every row brings its span: more each time, as long as the spans are small.

/// Beyond this a scan does not get faster.
const MOST_ROWS: usize = 1_024;
/// The text and numbers of one batch, about. Decoded they take some times as much.
const BATCH_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    rows: usize,
    /// Also of small spans no more than this.
    most: usize,
}

impl Pace {
    /// Begins with as many rows as the caller is likely to take.
    pub fn of(rows: usize) -> Self {
        Self { rows, most: rows.max(MOST_ROWS) }
    }

    pub fn rows(self) -> usize {
        self.rows
    }

    /// Goes on after this many spans of these bytes together were read, as if the next ones were of their size.
    pub fn follow(&mut self, spans: usize, bytes: usize) {
        let fitting = BATCH_BYTES * spans.max(1) / bytes.max(1);
        self.rows = (self.rows * 2).min(self.most).min(fitting).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_spans_are_small_and_shrink_to_what_fits() {
        let mut pace = Pace::of(64);
        let mut rows = Vec::new();
        for bytes in [100, 100, 100, 100, 100, 100_000, 8 << 20, 100] {
            rows.push(pace.rows());
            pace.follow(1, bytes);
        }
        assert_eq!(rows, [64, 128, 256, 512, 1_024, 1_024, 41, 1]);
        assert_eq!(Pace::of(5_000).rows(), 5_000);
    }
}
