import { isHalf, type Datatype, type Tensor, type TensorSpec } from '../domain/tensor/tensor.js';
import type { RunJudge } from './run-time-judge.js';
import type { Place, RunOutcome, Runner } from './runner.js';

export interface PlacedRunnerOptions {
  /** Opens the same model in the other place; `undefined`: it stays where it is. */
  readonly reopen: ((place: Place) => Promise<Runner>) | undefined;
  readonly judge: RunJudge;
  readonly observer: PlacementObserver;
}

export interface PlacementObserver {
  moved(to: Place): void;
  /** It could not be opened there and stays where it is. */
  stayed(wanted: Place, error: unknown): void;
}

/**
 * Runs a model where its run time says it belongs. When the runs that serve are clearly too slow for the event loop, or fast enough for
 * it, the model is opened in the other place and goes on there; runs under way end where they began.
 */
export class PlacedRunner implements Runner {
  readonly #options: PlacedRunnerOptions;
  /** Outputs in half precision, which the runtime gives as the FP32 that equal them. */
  readonly #halves: ReadonlyMap<string, Datatype>;
  #current: Runner;
  #isMoving = false;
  #isClosed = false;
  /** Runs under way by runner: one that was left closes with its last. */
  readonly #underWay = new Map<Runner, number>();

  constructor(runner: Runner, options: PlacedRunnerOptions) {
    this.#current = runner;
    this.#options = options;
    this.#halves = new Map(runner.outputs.filter(({ datatype }) => isHalf(datatype)).map(({ name, datatype }) => [name, datatype]));
  }

  get inputs(): readonly TensorSpec[] {
    return this.#current.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.#current.outputs;
  }

  get place(): Place {
    return this.#current.place;
  }

  get parallelism(): number {
    return this.#current.parallelism;
  }

  get memoryBytes(): number {
    return this.#current.memoryBytes;
  }

  turn(): Promise<() => void> | undefined {
    return this.#current.turn();
  }

  async run(inputs: readonly Tensor[], outputs: readonly string[], isOwned: boolean): Promise<RunOutcome> {
    const runner = this.#current;
    this.#underWay.set(runner, (this.#underWay.get(runner) ?? 0) + 1);
    try {
      const outcome = await runner.run(inputs, outputs, isOwned);
      if (this.#options.reopen && !this.#isMoving && runner === this.#current) {
        const place = this.#options.judge.observe(runner.place, outcome.cpuMs);
        if (place) void this.#move(place);
      }
      return this.#halves.size === 0 ? outcome : { ...outcome, outputs: outcome.outputs.map((output) => this.#named(output)) };
    } finally {
      const left = (this.#underWay.get(runner) as number) - 1;
      // The current one's entry stays: a map that is emptied after each run gets a new table each time.
      if (left > 0 || runner === this.#current) this.#underWay.set(runner, left);
      else {
        this.#underWay.delete(runner);
        void runner.close();
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#current.close();
  }

  /** The output by the datatype that the model says. */
  #named(output: Tensor): Tensor {
    const datatype = this.#halves.get(output.name);
    return datatype === undefined ? output : { ...output, datatype };
  }

  async #move(place: Place): Promise<void> {
    const { reopen, observer } = this.#options;
    this.#isMoving = true;
    try {
      const next = await (reopen as NonNullable<typeof reopen>)(place);
      const before = this.#current;
      if (this.#isClosed || next.place === before.place) {
        await next.close();
        return;
      }
      this.#current = next;
      observer.moved(next.place);
      if (!this.#underWay.get(before)) {
        this.#underWay.delete(before);
        await before.close();
      }
    } catch (error) {
      observer.stayed(place, error);
    } finally {
      this.#isMoving = false;
    }
  }
}
