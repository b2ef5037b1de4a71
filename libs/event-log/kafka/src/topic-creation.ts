import type { TopicSpec } from '@millrace/event-log';
import { Fault } from '@millrace/kernel';
import type { Brokers } from './wire/brokers.js';
import { faultOf } from './wire/faults.js';
import type { KafkaError } from './wire/kafkajs-internals.js';
import { settledOffsets } from './wire/offsets.js';

const COPIES = 3;
/** For the batch's own fields and the record's key and headers. */
const ROOM_AROUND_A_RECORD = 64 * 1024;
const TIMEOUT_MS = 15_000;
/** A service that starts ends when this fails, so a broker that is busy with the starts of others is given time. */
const HEARD_OF_MS = 60_000;
const LONGEST_PAUSE_MS = 200;

/** Makes a topic and waits until every partition can be used. Returns its partition count, which is another's if that was quicker. */
export async function createTopic(brokers: Brokers, spec: TopicSpec, replicationFactor?: number): Promise<number> {
  const { name, partitions, retention } = spec;
  const controller = await brokers.controller();
  const copies = replicationFactor ?? Math.min(COPIES, brokers.count);
  const settings: Record<string, string> = {
    'cleanup.policy': 'delete',
    'retention.ms': retention === 'forever' ? '-1' : String(retention.milliseconds),
    'retention.bytes': '-1',
    // With three copies an acknowledged record survives the loss of any one broker.
    'min.insync.replicas': String(copies >= COPIES ? 2 : 1),
  };
  if (spec.maxRecordBytes !== undefined) settings['max.message.bytes'] = String(spec.maxRecordBytes + ROOM_AROUND_A_RECORD);
  const topic = {
    topic: name,
    numPartitions: partitions,
    replicationFactor: copies,
    configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
  };
  try {
    await controller.createTopics({ topics: [topic], timeout: TIMEOUT_MS });
  } catch (error) {
    const causes = (error as { errors?: readonly KafkaError[] }).errors ?? [error as KafkaError];
    const failure = causes.find((cause) => cause.type !== 'TOPIC_ALREADY_EXISTS');
    if (failure) throw faultOf(failure, `making the topic ${name}`);
  }
  // The controller has it; the brokers hear of it a moment later.
  const deadline = performance.now() + HEARD_OF_MS;
  for (let pause = 2; !(await brokers.metadata([name])).has(name); pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    if (performance.now() > deadline) throw new Fault('MR_LOG_UNAVAILABLE', `${name} was made, but no broker knows of it yet`, true);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return (await settledOffsets(brokers, name, 'end')).length;
}
