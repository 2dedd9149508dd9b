//! A Parquet file, written a row group at a time.

use bennu_kit::http::ApiError;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::frame::{REPEATED_COLUMNS, TEXT_COLUMNS, batch, schema};
use super::{Exported, SpanEncoder};

/// A row group stays in memory until it is full; readers take one at a time. Notebooks read groups of this size as
/// fast as larger ones.
const GROUP_ROWS: usize = 16_384;
const GROUP_BYTES: usize = 4 << 20;

/// Every column holds one page before it is compressed, and one of different values.
const PAGE_BYTES: usize = 256 << 10;

/// The same as for trace blocks: higher levels take several times the time for a few percent.
const LEVEL: i32 = 2;

pub(super) struct ParquetFile {
    /// `None` once it is finished.
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetFile {
    pub fn new() -> Result<Self, ApiError> {
        let level = ZstdLevel::try_new(LEVEL).map_err(ApiError::internal)?;
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_data_page_size_limit(PAGE_BYTES)
            .set_dictionary_page_size_limit(PAGE_BYTES)
            .set_dictionary_enabled(false)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .set_created_by(format!("bennu {}", env!("CARGO_PKG_VERSION")));
        for column in REPEATED_COLUMNS {
            properties = properties.set_column_dictionary_enabled(column.into(), true);
        }
        for column in TEXT_COLUMNS {
            // Nobody looks for the least of them.
            properties = properties.set_column_statistics_enabled(column.into(), EnabledStatistics::None);
        }
        let writer = ArrowWriter::try_new(Vec::new(), schema(), Some(properties.build()));
        Ok(Self { writer: Some(writer.map_err(ApiError::internal)?) })
    }
}

impl SpanEncoder for ParquetFile {
    fn add(&mut self, spans: Vec<Exported>) -> Result<Bytes, ApiError> {
        let Some(writer) = &mut self.writer else { return Ok(Bytes::new()) };
        let batch = batch(&spans).map_err(ApiError::internal)?;
        writer.write(&batch).map_err(ApiError::internal)?;
        writer.sync().map_err(ApiError::internal)?;
        // The writer counts what it wrote itself: what is sent need not stay.
        Ok(std::mem::take(writer.inner_mut()).into())
    }

    fn finish(&mut self) -> Result<Bytes, ApiError> {
        let Some(writer) = self.writer.take() else { return Ok(Bytes::new()) };
        Ok(writer.into_inner().map_err(ApiError::internal)?.into())
    }
}
