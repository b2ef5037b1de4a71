import { ClickHouseError } from './clickhouse-error.js';

/** Parameters and settings of ClickHouse's HTTP layer, which the engine does not know. */
const OF_THE_TRANSPORT = new Set([
  'query',
  'query_id',
  'database',
  'default_format',
  'user',
  'password',
  'compress',
  'decompress',
  'network_compression_method',
  'network_zstd_compression_level',
  'quota_key',
  'role',
  'stacktrace',
  'buffer_size',
  'wait_end_of_query',
  'session_id',
  'session_check',
  'session_timeout',
  'close_session',
  'client_protocol_version',
  'enable_http_compression',
  'http_zlib_compression_level',
  'http_native_compression_disable_checksumming_on_decompress',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'http_response_buffer_size',
  'http_write_exception_in_output_format',
  'http_wait_end_of_query',
  'add_http_cors_header',
  'cancel_http_readonly_queries_on_client_close',
  'http_make_head_request',
  'http_receive_timeout',
  'http_send_timeout',
]);

/**
 * What an analyst may set: how results look, how joins and aggregates treat NULLs, how many threads. Nothing that names a file, a
 * place, another dialect, or expressions that run unseen (`additional_table_filters`). New settings of ClickHouse are out until they are put in.
 */
const FOR_GUESTS = new Set([
  'aggregate_functions_null_for_empty',
  'any_join_distinct_right_table_keys',
  'asterisk_include_alias_columns',
  'asterisk_include_materialized_columns',
  'cast_keep_nullable',
  'count_distinct_implementation',
  'date_time_input_format',
  'date_time_output_format',
  'decimal_check_overflow',
  'empty_result_for_aggregation_by_empty_set',
  'enable_optimize_predicate_expression',
  'extremes',
  'final',
  'format_csv_delimiter',
  'format_regexp_escaping_rule',
  'format_tsv_null_representation',
  'format_csv_null_representation',
  'group_by_overflow_mode',
  'group_by_use_nulls',
  'implicit_select',
  'join_algorithm',
  'join_default_strictness',
  'join_overflow_mode',
  'join_use_nulls',
  'joined_subquery_requires_alias',
  'limit',
  'log_comment',
  'log_queries',
  'max_block_size',
  'max_bytes_before_external_group_by',
  'max_bytes_before_external_sort',
  'max_bytes_to_read',
  'max_rows_in_join',
  'max_rows_to_group_by',
  'max_rows_to_read',
  'max_threads',
  'offset',
  'optimize_move_to_prewhere',
  'optimize_read_in_order',
  'prefer_column_name_to_alias',
  'preferred_block_size_bytes',
  'priority',
  'read_overflow_mode',
  'result_overflow_mode',
  'session_timezone',
  'totals_auto_threshold',
  'totals_mode',
  'transform_null_in',
  'union_default_mode',
  'validate_polygons',
]);

/** Limits of ours that an analyst may tighten and never loosen. */
const LIMITS = new Set(['max_execution_time', 'max_memory_usage', 'max_result_rows']);

const GUEST_OUTPUT = /^output_format_(?!schema$|image)/;

export type Settings = Record<string, string | number>;

/** The engine's settings among a request's parameters, for a caller who may do anything. */
export function engineSettings(parameters: Iterable<readonly [string, string]>): Settings {
  const settings: Settings = {};
  for (const [name, value] of parameters) {
    if (!OF_THE_TRANSPORT.has(name) && !name.startsWith('param_')) settings[name] = value;
  }
  return settings;
}

/** The settings a guest's request ends up with: its own where it may, our limits otherwise. Anything else is refused by name. */
export function guestSettings(asked: Settings, limits: Settings): Settings {
  const settings: Settings = { ...limits };
  for (const [name, value] of Object.entries(asked)) {
    if (name === 'readonly') continue; // It is read-only anyway.
    if (LIMITS.has(name)) settings[name] = tighter(Number(value), Number(limits[name] ?? 0));
    else if (FOR_GUESTS.has(name) || GUEST_OUTPUT.test(name)) settings[name] = value;
    else throw new ClickHouseError(164, 'READONLY', `Cannot modify '${name}' setting in readonly mode`);
  }
  return settings;
}

/** 0 means no limit. */
function tighter(asked: number, limit: number): number {
  if (!(asked > 0)) return limit;
  return limit > 0 ? Math.min(asked, limit) : asked;
}
