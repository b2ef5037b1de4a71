export {
  ALL_TOPICS,
  decisionsTopic,
  DOMAINS,
  PARTITIONS,
  sourceTopic,
  topicManifest,
  TOPICS,
  type Domain,
  type TopicKind,
  type TopicManifest,
} from './topics.js';
