/** Rows of one Parquet row group at most. */
const ROWS_PER_GROUP = 1_000_000;

/**
 * Settings of a query whose Parquet bytes must not depend on how many cores wrote them. Up to a million rows there is one row group, whichever blocks the rows
 * came in; beyond that one thread makes the blocks. Snappy is what every reader has. Dictionaries and Bloom filters cost more time than they are
 * worth in a file that is read whole.
 */
export function parquetSettings(rows: number): string[] {
  const layout = rows <= ROWS_PER_GROUP ? 'output_format_parquet_row_group_size_bytes = 1000000000000' : 'max_threads = 1';
  return [
    layout,
    `output_format_parquet_row_group_size = ${ROWS_PER_GROUP}`,
    "output_format_parquet_compression_method = 'snappy'",
    'output_format_parquet_max_dictionary_size = 0',
    'output_format_parquet_write_bloom_filter = 0',
  ];
}
