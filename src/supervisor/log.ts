/** What the supervisor says of itself: a constant sentence and facts, as pino takes them. */
export interface SupervisorLog {
  info(facts: object, sentence: string): void;
  warn(facts: object, sentence: string): void;
  error(facts: object, sentence: string): void;
}
