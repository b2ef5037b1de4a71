import { eventLogContract } from '@millrace/event-log/contract';
import { KafkaEventLog } from './kafka-event-log.js';

const brokers = (process.env['MILLRACE_TEST_KAFKA_BROKERS'] as string).split(',');

eventLogContract('KafkaEventLog', async () => {
  // Short heartbeats, because members of a group learn of one another by them.
  const connect = () => KafkaEventLog.connect({ brokers, clientId: 'contract', heartbeatIntervalMs: 100 });
  const log = await connect();
  return { log, connect, refusedBytes: 1_100_000, release: () => log.close() };
});
