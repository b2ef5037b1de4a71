import { edgeId } from '../core/edge-id.js';
import type { PredictionQueue, QueueCounts, QueuedPrediction, RefusedPrediction, Settled } from '../core/prediction-queue.js';

type Totals = Omit<QueueCounts, 'waiting'>;

const PREDICTIONS = 'predictions';
const REFUSED = 'refused';
const STATE = 'state';
const NONE: Totals = { sent: 0, dropped: 0, refused: 0 };

/** A queue in the browser's IndexedDB, one a model: it outlasts the page, and a newer export finds what the older one left. Several tabs may share it. */
export class IndexedDbQueue implements PredictionQueue {
  readonly device: string;
  readonly #database: IDBDatabase;
  readonly #limit: number;

  private constructor(database: IDBDatabase, device: string, limit: number) {
    this.#database = database;
    this.device = device;
    this.#limit = limit;
  }

  static async open(name: string, limit: number): Promise<IndexedDbQueue> {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => {
      const predictions = opening.result.createObjectStore(PREDICTIONS, { autoIncrement: true });
      predictions.createIndex('id', 'id');
      opening.result.createObjectStore(REFUSED, { autoIncrement: true });
      opening.result.createObjectStore(STATE);
    };
    const database = await answerOf(opening);
    const transaction = database.transaction(STATE, 'readwrite', { durability: 'strict' });
    const state = transaction.objectStore(STATE);
    let device = (await answerOf(state.get('device'))) as string | undefined;
    if (device === undefined) state.put((device = edgeId(Date.now())), 'device');
    await ended(transaction);
    return new IndexedDbQueue(database, device, limit);
  }

  async add(prediction: QueuedPrediction): Promise<void> {
    const transaction = this.#change();
    const predictions = transaction.objectStore(PREDICTIONS);
    predictions.add(prediction);
    const over = (await answerOf(predictions.count())) - this.#limit;
    if (over > 0) {
      for (const key of await answerOf(predictions.getAllKeys(null, over))) predictions.delete(key);
      await addTotals(transaction, { dropped: over });
    }
    await ended(transaction);
  }

  async oldest(count: number): Promise<readonly QueuedPrediction[]> {
    const store = this.#database.transaction(PREDICTIONS).objectStore(PREDICTIONS);
    return (await answerOf(store.getAll(null, count))) as QueuedPrediction[];
  }

  async settle({ sent, refused }: Settled): Promise<void> {
    const transaction = this.#change();
    const predictions = transaction.objectStore(PREDICTIONS);
    const takeAway = async (id: string): Promise<boolean> => {
      const key = await answerOf(predictions.index('id').getKey(id));
      if (key !== undefined) predictions.delete(key);
      return key !== undefined;
    };
    const taken = await countOf(sent, takeAway);
    const { given, over } = await this.#putAside(transaction, refused, takeAway);
    await addTotals(transaction, { sent: taken, refused: given - over, dropped: over });
    await ended(transaction);
  }

  async retryRefused(): Promise<number> {
    const transaction = this.#change();
    const [predictions, refused] = [transaction.objectStore(PREDICTIONS), transaction.objectStore(REFUSED)];
    let again = 0;
    for (const key of await answerOf(refused.getAllKeys())) {
      const { prediction } = (await answerOf(refused.get(key))) as Partial<RefusedPrediction>;
      // Earlier runners kept no more than the reason.
      if (!prediction) continue;
      predictions.add(prediction);
      refused.delete(key);
      again++;
    }
    await addTotals(transaction, { refused: -again });
    await ended(transaction);
    return again;
  }

  async counts(): Promise<QueueCounts> {
    const transaction = this.#database.transaction([PREDICTIONS, STATE]);
    const waiting = await answerOf(transaction.objectStore(PREDICTIONS).count());
    return { waiting, ...(await totalsIn(transaction)) };
  }

  /** Gives how many were put aside, and how many of the oldest gave way to them. */
  async #putAside(
    transaction: IDBTransaction,
    refused: Settled['refused'],
    takeAway: (id: string) => Promise<boolean>,
  ): Promise<{ given: number; over: number }> {
    const store = transaction.objectStore(REFUSED);
    let given = 0;
    for (const one of refused) {
      if (!(await takeAway(one.id))) continue;
      store.add(one);
      given++;
    }
    const over = Math.max(0, (await answerOf(store.count())) - this.#limit);
    if (over > 0) for (const key of await answerOf(store.getAllKeys(null, over))) store.delete(key);
    return { given, over };
  }

  /** Written to the disk before it counts as done. */
  #change(): IDBTransaction {
    return this.#database.transaction([PREDICTIONS, REFUSED, STATE], 'readwrite', { durability: 'strict' });
  }
}

async function countOf(ids: readonly string[], holds: (id: string) => Promise<boolean>): Promise<number> {
  let count = 0;
  for (const id of ids) if (await holds(id)) count++;
  return count;
}

async function totalsIn(transaction: IDBTransaction): Promise<Totals> {
  return ((await answerOf(transaction.objectStore(STATE).get('totals'))) as Totals | undefined) ?? NONE;
}

async function addTotals(transaction: IDBTransaction, more: Partial<Totals>): Promise<void> {
  const totals = await totalsIn(transaction);
  const { sent = 0, dropped = 0, refused = 0 } = more;
  const sum = { sent: totals.sent + sent, dropped: totals.dropped + dropped, refused: Math.max(0, totals.refused + refused) };
  transaction.objectStore(STATE).put(sum, 'totals');
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

function ended(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB gave up'));
  });
}
