import type { Refusal } from '../../contract/refusals.ts';
import type { App } from '../../domain/resources.ts';
import type { BodyFacts, BodyInspector, Direction } from '../../inspection/body-inspector.ts';
import type { Flow } from '../flow.ts';

/** One kind of inspection of bodies, as this worker has it. */
export interface ContentInspector {
  /** As applications ask for it (`inspect`). */
  readonly name: NonNullable<App['inspect']>[number];
  /** Whether an application wants bodies that go that way looked at. */
  looksAt(app: App, direction: Direction): boolean;
  /** Whether it can look at nothing but a whole: a laptop's question for a range is then asked for all of it. */
  needsWhole(app: App): boolean;
  /** For one body of this flow. */
  open(flow: Flow, app: App, body: BodyFacts): BodyInspector;
  /** Why an application is not reached, as things are. */
  problem(app: App): Refusal | undefined;
}
