import type { Config } from '../config/config.js';

type KafkaConfig = Pick<Config, 'kafkaTls' | 'kafkaTlsCa' | 'kafkaSaslMechanism'>;

const CREDENTIALS = 'MILLRACE_KAFKA_SASL_USERNAME and MILLRACE_KAFKA_SASL_PASSWORD';
/** How a broker that was spoken to in the wrong protocol ends it: it says nothing, or closes. */
const SILENT = /closed connection|connection timeout|request .*timed out|ECONNRESET|socket hang up|EPIPE/i;
const NOT_TLS = /wrong version number|packet length too long|record layer|disconnected before secure TLS/i;
const CERTIFICATE = /certificate|altnames|unable to verify|unable to get .*issuer/i;
const CERTIFICATE_ASKED = /alert.*(certificate|handshake)|certificate required|bad certificate/i;

/** Which variables to look at when Kafka cannot be opened, by what the try met: an address that is right is not to be searched for the fault of a password. */
export function kafkaVariables(error: unknown, { kafkaTls, kafkaTlsCa, kafkaSaslMechanism }: KafkaConfig): string {
  const reason = error instanceof Error ? error.message : String(error);
  if (/UNSUPPORTED_SASL_MECHANISM/.test(reason)) return 'MILLRACE_KAFKA_SASL_MECHANISM: that listener offers others';
  if (/ILLEGAL_SASL_STATE/.test(reason))
    return 'MILLRACE_KAFKA_SASL_MECHANISM: that listener asks for no password, so leave it out, or name another in MILLRACE_KAFKA_BROKERS';
  if (/SASL.*authentication failed|SASL_AUTHENTICATION_FAILED/i.test(reason)) return CREDENTIALS;
  if (kafkaTls && NOT_TLS.test(reason))
    return 'MILLRACE_KAFKA_TLS, which is true: that listener speaks no TLS, or MILLRACE_KAFKA_BROKERS names the wrong one';
  if (kafkaTls && CERTIFICATE_ASKED.test(reason))
    return 'MILLRACE_KAFKA_TLS_CERT and MILLRACE_KAFKA_TLS_KEY: the broker takes no client without a certificate it knows';
  if (kafkaTls && CERTIFICATE.test(reason)) {
    const named = kafkaTlsCa === undefined ? 'which is not set' : `which is ${kafkaTlsCa}`;
    return `MILLRACE_KAFKA_TLS_CA, ${named}: it has to hold the authority that signed the brokers’ certificates, and MILLRACE_KAFKA_BROKERS a name these are for`;
  }
  if (!SILENT.test(reason)) return 'MILLRACE_KAFKA_BROKERS';
  const wanted = [
    ...(kafkaTls ? [] : ['TLS (MILLRACE_KAFKA_TLS)']),
    ...(kafkaSaslMechanism ? [] : ['a password (MILLRACE_KAFKA_SASL_MECHANISM and those beside it)']),
  ];
  const perhaps = wanted.length === 0 ? '' : `; a listener that wants ${wanted.join(' or ')} ends what comes without`;
  return `MILLRACE_KAFKA_BROKERS${perhaps}`;
}
