import type { Row } from './rides.js';

const REQUEST = '{distance: Float32, seats: Int32, ticket: Int64, note: String, booked: DateTime64(3), member: Bool}';
/** One of each type a value may have, over what ClickHouse joins, what the engine computes, and the request. */
export const EXPRESSIONS = {
  per_km: 'last_ride_fare / distance',
  room: 'rides_1h * 4 - seats',
  sum64: 'coalesce(m_stops, 0) + ticket',
  label: "if(member, upper(note), coalesce(driver_now, '-') || note)",
  waited: 'asked_at - booked',
  booked_before: 'booked < seen_now',
  newest: 'greatest(booked, m_seen)',
  small: 'small_now + distance',
  is_late: 'late_now or m_late',
} as const;
export const NAMES = Object.keys(EXPRESSIONS);

export const RESOURCES = (expressions: Readonly<Record<string, string>> = EXPRESSIONS): string => `
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: ride_checks}
spec:
  inputs: [last_ride, rides_mixed, any_ride]
  request: ${REQUEST}
  features:
${Object.entries(expressions)
  .map(([name, text]) => `    - {name: ${name}, expression: "${text.replace('last_ride_fare', 'fare_now')}"}`)
  .join('\n')}
---
apiVersion: millrace.dev/v1
kind: FeatureView
metadata: {name: of_request}
spec: {request: {seats: Int32}, features: [{name: is_group, expression: seats > 4}]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: checked}
spec: {features: [ride_checks, "last_ride:fare_now", of_request]}
---
apiVersion: millrace.dev/v1
kind: FeatureService
metadata: {name: request_only}
spec: {features: [of_request]}
`;

/** What a caller could send, and a spine could hold: edges, nulls, 64 bits, times with a zone. */
export const CALLS: readonly Row[] = [
  { distance: 0.1, seats: 2, ticket: '9007199254740993', note: 'Zürich', booked: '2026-01-01T10:00:00+02:00', member: true },
  { distance: 0, seats: null, ticket: '-9223372036854775808', note: '', booked: '2026-01-02T00:00:00.5Z', member: false },
  { distance: null, seats: -2147483648, ticket: null, note: null, booked: null, member: null },
  { distance: 3.4e38, seats: 5, ticket: '7', note: 'a "b" \\', booked: '2001-03-25T01:59:59Z', member: true },
];
