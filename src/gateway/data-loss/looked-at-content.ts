import { refuse } from '../../contract/refusals.ts';
import type { InspectionExtent, InspectionOutcome, UninspectedReason } from '../../domain/inspection.ts';
import type { BodyFacts, BodyInspector, BodyVerdict } from '../../inspection/body-inspector.ts';
import { createPrefix } from '../../inspection/prefix.ts';
import { whyUnread } from '../../inspection/data-loss/body-scanner.ts';
import type { DataLossProfile } from './data-loss-profile.ts';
import type { OpenContent } from './data-loss-scanner.ts';

/** As much is gathered before it is sent to the thread, so that short contents are sent once. */
const batchBytes = 32 * 1024;
const noBytes = Buffer.alloc(0);

/** One content on its way, of which is counted what it holds. Numbers leave it, and never what they count. */
export class LookedAtContent implements BodyInspector {
  verdict: BodyVerdict | undefined;
  readonly #profile: DataLossProfile;
  readonly #body: BodyFacts;
  readonly #note: (counts: Readonly<Record<string, number>>) => void;
  readonly #content: OpenContent | undefined;
  #counts: Readonly<Record<string, number>> = {};
  #isText: 'all' | 'some' | 'none' = 'all';
  /** In one place: pieces of an octet each would take a hundred times as much. */
  #add = createPrefix();
  #waiting: Buffer = noBytes;
  #isNoted = false;

  constructor(
    profile: DataLossProfile,
    body: BodyFacts,
    content: OpenContent | undefined,
    note: (counts: Readonly<Record<string, number>>) => void,
  ) {
    this.#profile = profile;
    this.#body = body;
    this.#note = note;
    this.#content = content;
    const why = whyUnread(body.contentType);
    if (why !== undefined) this.unreadable(why);
  }

  write(piece: Buffer): Promise<void> | undefined {
    if (this.verdict !== undefined) return undefined;
    this.#waiting = this.#add(piece);
    return this.#waiting.length < batchBytes ? undefined : this.#look(false);
  }

  unreadable(why: UninspectedReason): void {
    if (this.verdict !== undefined) return;
    const state = Object.keys(this.#counts).length === 0 ? 'not-done' : 'partly';
    this.#settle({ outcome: this.#outcome({ state, why }) });
  }

  async end(): Promise<BodyVerdict> {
    if (this.verdict === undefined) await this.#look(true);
    return (
      this.verdict ??
      this.#settle({
        outcome: this.#outcome(
          this.#isText === 'all' ? { state: 'done' } : { state: 'partly', why: 'opaque' },
        ),
      })
    );
  }

  abort(): void {
    if (this.verdict === undefined) this.unreadable('unfinished');
  }

  async #look(isLast: boolean): Promise<void> {
    const bytes = this.#waiting;
    this.#waitNoMore();
    const said = (await this.#content?.look(bytes, isLast)) ?? {
      failure: 'unavailable' as const,
      detail: 'postern.yaml has no inspection.dataLoss',
    };
    if (this.verdict !== undefined) return;
    if (said.failure !== undefined) return this.#fail(said.failure, said.detail);
    this.#counts = said.answer.counts;
    this.#isText = said.answer.isText;
    if (this.#isText === 'none') return this.unreadable('opaque');
    const reached = this.#reached();
    if (!this.#profile.isBlocking || reached.length === 0) return;
    this.#settle({
      outcome: this.#outcome(isLast ? { state: 'done' } : { state: 'partly', why: 'unfinished' }),
      refusal: refuse('data-loss', `${this.#body.direction}: ${reached.join(', ')}`),
    });
  }

  #waitNoMore(): void {
    this.#add = createPrefix();
    this.#waiting = noBytes;
  }

  #fail(why: 'unavailable' | 'timeout', detail: string): void {
    this.unreadable(why);
    if (this.verdict !== undefined && this.#profile.isBlocking)
      this.verdict = { ...this.verdict, refusal: refuse('inspection-unavailable', `dlp: ${detail}`) };
  }

  /** What reached its threshold, in words. */
  #reached(): string[] {
    const reached: string[] = [];
    for (const [name, threshold] of this.#profile.thresholds) {
      const count = this.#counts[name] ?? 0;
      if (count >= threshold) reached.push(`${name} ${count} of ${threshold}`);
    }
    return reached;
  }

  #outcome(extent: InspectionExtent): InspectionOutcome {
    const found = Object.keys(this.#counts);
    return found.length === 0 ? extent : { ...extent, found, counts: this.#counts };
  }

  #settle(verdict: BodyVerdict): BodyVerdict {
    this.verdict = verdict;
    this.#waitNoMore();
    this.#content?.forget();
    if (!this.#isNoted && this.#reached().length > 0) {
      this.#isNoted = true;
      this.#note(this.#counts);
    }
    return verdict;
  }
}
