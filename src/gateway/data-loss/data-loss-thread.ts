import { createBodyScanner } from '../../inspection/data-loss/body-scanner.ts';
import type { BodyScanner } from '../../inspection/data-loss/body-scanner.ts';
import type { Detector } from '../../inspection/data-loss/detector.ts';
import { buildDetectors } from '../../inspection/data-loss/detectors.ts';
import type { WantedData } from '../../inspection/data-loss/detectors.ts';
import { answerQuestions } from '../answer-questions.ts';
import type { DataLossAnswer, DataLossQuestion } from './data-loss-messages.ts';

/** The thread beside a worker in which contents are looked at: a piece of 64 KiB takes some milliseconds. */
const bodies = new Map<number, BodyScanner>();

/** Patterns are compiled once for all that want the same; those of earlier versions of an application go in time. */
const known = new Map<string, readonly Detector[]>();
const maxKnown = 256;

function detectorsFor(wanted: WantedData): readonly Detector[] {
  const key = JSON.stringify(wanted);
  let detectors = known.get(key);
  if (detectors === undefined) {
    detectors = buildDetectors(wanted);
    const [oldest] = known.keys();
    if (known.size >= maxKnown && oldest !== undefined) known.delete(oldest);
    known.set(key, detectors);
  }
  return detectors;
}

const nothing: DataLossAnswer = { counts: {}, isText: 'none' };

answerQuestions({}, (question: DataLossQuestion): DataLossAnswer => {
  const { body } = question;
  if (question.type === 'forget') {
    bodies.delete(body);
    return nothing;
  }
  const { opens, bytes, isLast } = question;
  let scanner = bodies.get(body);
  if (scanner === undefined) {
    if (opens === undefined) throw new Error('the beginning was lost');
    scanner = createBodyScanner(opens.contentType, detectorsFor(opens.wanted));
    bodies.set(body, scanner);
  }
  scanner.write(bytes);
  if (isLast) {
    scanner.end();
    bodies.delete(body);
  }
  const { counts, isText } = scanner;
  return { counts, isText };
});
