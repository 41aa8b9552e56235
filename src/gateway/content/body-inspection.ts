import type { Refusal } from '../../contract/refusals.ts';
import { joinOutcomes } from '../../domain/inspection.ts';
import type { InspectionOutcome, UninspectedReason } from '../../domain/inspection.ts';
import type { App } from '../../domain/resources.ts';
import type { BodyInspector, Direction } from '../../inspection/body-inspector.ts';
import type { Flow } from '../flow.ts';
import type { ContentInspector } from './content-inspector.ts';
import { createBodyDecoder, isDecodable } from './decode-body.ts';
import type { BodyDecoder } from './decode-body.ts';

/** A body on its way, as its message describes it. */
export interface BodyOnItsWay {
  readonly direction: Direction;
  /** Names in lower case, and values. */
  readonly fields: readonly string[];
  readonly contentLength: number | undefined;
  /** Why nobody can look into it, where that is known from what it comes with. */
  readonly unread?: UninspectedReason | undefined;
}

/** Where nobody waits for an end: to hold it back would be to hold all of it back. */
const streams = /^(?:text\/event-stream$|application\/grpc(?:\+|-web|$))/;

const isStream = (mediaType: string): boolean => streams.test(mediaType);

/** All that fields of a name say. Of two that differ no reader would take the first alone. */
function allOf(fields: readonly string[], name: string): string {
  const values: string[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2)
    if (fields[index]?.toLowerCase() === name) values.push(fields[index + 1] ?? '');
  return values.join(',');
}

/** Of a direction that has no body. */
export const nothingThere: InspectionOutcome = { state: 'done' };

/** Leaves in the flow what came of one direction, beside what came of the other. */
export function noteOutcome(flow: Flow, { name }: ContentInspector, outcome: InspectionOutcome): void {
  const known = flow.inspections?.[name];
  if (known !== undefined && outcome === nothingThere) return;
  const joined = known === nothingThere ? outcome : joinOutcomes(known, outcome);
  flow.inspections = { ...flow.inspections, [name]: joined };
}

/**
 * One body in the hands of all who are to look at it. They get it without its content coding, and what they say ends up in
 * the flow, for its record.
 */
export class BodyInspection {
  /** The body passes as it comes, and nothing of it can be held back. */
  readonly isStream: boolean;
  readonly #flow: Flow;
  readonly #inspectors: readonly { readonly kind: ContentInspector; readonly of: BodyInspector }[];
  readonly #decoder: BodyDecoder | undefined;
  /** Whose outcome the flow has. */
  readonly #noted = new Set<BodyInspector>();
  #isUnread = false;
  #isOver = false;

  constructor(flow: Flow, app: App, kinds: readonly ContentInspector[], body: BodyOnItsWay) {
    this.#flow = flow;
    const { direction, fields, contentLength, unread } = body;
    const contentType = allOf(fields, 'content-type');
    const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
    const coding = allOf(fields, 'content-encoding').trim().toLowerCase();
    const isPlain = coding === 'identity' || coding === '';
    const facts = { direction, mediaType, contentType, size: isPlain ? contentLength : undefined };
    this.isStream = isStream(mediaType);
    this.#inspectors = kinds.map((kind) => ({ kind, of: kind.open(flow, app, facts) }));
    if (unread !== undefined) this.#giveUp(unread);
    else if (this.isStream) this.#giveUp('streamed');
    else if (!isPlain && !isDecodable(coding)) this.#giveUp('encoded');
    else if (!isPlain) this.#decoder = createBodyDecoder(coding, (piece) => this.#hand(piece));
  }

  /** Known before the end: the body must not pass. */
  get refusal(): Refusal | undefined {
    for (const { of } of this.#inspectors) if (of.verdict?.refusal !== undefined) return of.verdict.refusal;
    return undefined;
  }

  /** One piece after another: the promise of the one before has to be kept. */
  write(piece: Buffer): Promise<void> | undefined {
    if (this.#isOver || this.#isUnread) return undefined;
    return this.#decoder === undefined ? this.#hand(piece) : this.#decoder.write(piece);
  }

  /** @returns why its end must not pass. */
  async end(): Promise<Refusal | undefined> {
    const early = this.refusal;
    if (early !== undefined) {
      this.abort();
      return early;
    }
    if (this.#decoder !== undefined && !this.#isUnread && !(await this.#decoder.end()))
      this.#giveUp('encoded');
    for (const { kind, of } of this.#inspectors) {
      const { outcome, refusal } = of.verdict ?? (await of.end());
      if (this.#isOver) return undefined;
      this.#note(kind, of, outcome);
      if (refusal !== undefined) {
        this.abort();
        return refusal;
      }
    }
    this.#isOver = true;
    return undefined;
  }

  /** The body is given up, or was refused: what is known by now is all that will be. */
  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#decoder?.abort();
    for (const { kind, of } of this.#inspectors) {
      of.abort();
      this.#note(kind, of, of.verdict?.outcome ?? { state: 'not-done', why: 'unfinished' });
    }
  }

  #note(kind: ContentInspector, of: BodyInspector, outcome: InspectionOutcome): void {
    if (this.#noted.has(of)) return;
    this.#noted.add(of);
    noteOutcome(this.#flow, kind, outcome);
  }

  #hand(piece: Buffer): Promise<void> | undefined {
    let pauses: Promise<void>[] | undefined;
    for (const { of } of this.#inspectors) {
      const pause = of.verdict === undefined ? of.write(piece) : undefined;
      if (pause !== undefined) (pauses ??= []).push(pause);
    }
    if (this.#inspectors.every(({ of }) => of.verdict !== undefined)) {
      // A small piece may unpack to a great deal that nobody needs any more.
      this.#isUnread = true;
      this.#decoder?.abort();
    }
    return pauses === undefined ? undefined : Promise.all(pauses).then(() => undefined);
  }

  #giveUp(why: UninspectedReason): void {
    this.#isUnread = true;
    for (const { of } of this.#inspectors) if (of.verdict === undefined) of.unreadable(why);
  }
}
