/** Of which event an output of a StreamingInference is. It is in the record's headers, so a reader need not look at the data. */
export interface OutputPlace {
  readonly stream: string;
  /** Of the stream; a higher one began anew. */
  readonly generation: number;
  /** Where the event is. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** The same event has the same id of output, whoever wrote it and however often. */
export function outputId({ stream, generation, topic, partition, offset }: OutputPlace): string {
  return `${stream}:${generation}:${topic}/${partition}@${offset}`;
}

/** Extension attributes of CloudEvents, as Kafka headers. */
export function outputHeaders({ stream, generation, topic, partition, offset }: OutputPlace): Record<string, string> {
  return {
    ce_stream: stream,
    ce_generation: String(generation),
    ce_inputtopic: topic,
    ce_inputpartition: String(partition),
    ce_inputoffset: String(offset),
  };
}

/** `undefined` when the record is no output of a stream. */
export function outputPlaceOf(headers: Readonly<Record<string, string | undefined>>): OutputPlace | undefined {
  const { ce_stream: stream, ce_inputtopic: topic } = headers;
  const [generation, partition, offset] = [headers['ce_generation'], headers['ce_inputpartition'], headers['ce_inputoffset']].map(count);
  if (stream === undefined || topic === undefined || generation === undefined || partition === undefined || offset === undefined)
    return undefined;
  return { stream, generation, topic, partition, offset };
}

function count(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && text !== '' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/**
 * Tells outputs that count from those that are there a second time. A process that lost a partition without knowing it, or did not hear that its append
 * had come through, writes outputs again; they have the same ids, and the first in the log stands. One rule finds them: *an output counts if its
 * event lies behind that of the last one that counted*, of the same stream, topic and partition, or its generation is higher. Ask it of every record
 * in the order of the output topic's partition. It remembers one number for each partition that was read, and none for ids.
 */
export class CountedOutputs {
  readonly #last = new Map<string, { readonly generation: number; readonly offset: number }>();

  /** Whether this one counts; from then on it is the last one. */
  counts({ stream, generation, topic, partition, offset }: OutputPlace): boolean {
    const key = keyOf(stream, topic, partition);
    const last = this.#last.get(key);
    if (last && (generation < last.generation || (generation === last.generation && offset <= last.offset))) return false;
    this.#last.set(key, { generation, offset });
    return true;
  }

  /** Offset of the last event whose output counted in a generation. */
  last(stream: string, generation: number, topic: string, partition: number): number | undefined {
    const last = this.#last.get(keyOf(stream, topic, partition));
    return last?.generation === generation ? last.offset : undefined;
  }
}

function keyOf(stream: string, topic: string, partition: number): string {
  return `${stream} ${topic} ${partition}`;
}
