import { expect, test } from '@jest/globals';
import { kafkaVariables } from './kafka-variables.js';

const open = { kafkaTls: false, kafkaTlsCa: undefined, kafkaSaslMechanism: undefined };
const tls = { ...open, kafkaTls: true, kafkaTlsCa: '/etc/ca.pem' };
const sasl = { ...open, kafkaSaslMechanism: 'plain' } as const;

/** What Kafka 4.1 and Node say; the settings the connection was tried with. */
test.each([
  ['SASL PLAIN authentication failed: Authentication failed: Invalid username or password', sasl, /^MILLRACE_KAFKA_SASL_USERNAME and /],
  ['The broker does not support the requested SASL mechanism (UNSUPPORTED_SASL_MECHANISM)', sasl, /^MILLRACE_KAFKA_SASL_MECHANISM: /],
  ['Request is not valid given the current SASL state (ILLEGAL_SASL_STATE)', sasl, /^MILLRACE_KAFKA_SASL_MECHANISM: .* leave it out/],
  [
    'Connection error: self-signed certificate; if the root CA is installed locally',
    tls,
    /^MILLRACE_KAFKA_TLS_CA, which is \/etc\/ca\.pem: /,
  ],
  [
    'Connection error: unable to verify the first certificate',
    { ...tls, kafkaTlsCa: undefined },
    /^MILLRACE_KAFKA_TLS_CA, which is not set: /,
  ],
  ['Client network socket disconnected before secure TLS connection was established', tls, /^MILLRACE_KAFKA_TLS, which is true: /],
  ['SSL alert number 42: ssl/tls alert bad certificate', tls, /^MILLRACE_KAFKA_TLS_CERT and MILLRACE_KAFKA_TLS_KEY: /],
  [
    'pinging the broker failed: Closed connection',
    open,
    /^MILLRACE_KAFKA_BROKERS; .*TLS \(MILLRACE_KAFKA_TLS\) or a password \(MILLRACE_KAFKA_SASL_MECHANISM/,
  ],
  ['pinging the broker failed: Closed connection', { ...tls, kafkaSaslMechanism: 'plain' }, /^MILLRACE_KAFKA_BROKERS$/],
  ['Connection error: connect ECONNREFUSED 127.0.0.1:9092', open, /^MILLRACE_KAFKA_BROKERS$/],
] as const)('%s', (reason, config, expected) => {
  expect(kafkaVariables(new Error(reason), config)).toMatch(expected);
});
