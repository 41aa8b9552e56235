/**
 * What cannot be read in one way only, beside what the rules find: rules of our own, with ids as theirs (below 100,000, the
 * range for local ones), so that an application can do without one in the same manner.
 */
export const anomalies = {
  '90001': 'The body is not what its Content-Type says',
  '90002': 'The body is encoded (Content-Encoding) and was not read',
  '90003': 'A multipart body that two readers could read two ways',
  '90004': 'More arguments than are looked at, or deeper or longer ones',
  '90005': 'An XML body with a document type declaration',
} as const;
export type Anomaly = keyof typeof anomalies;

/** As much as the rules' authors give what is critical. */
export const anomalyScore = 5;
