/** The Cedar schema that policies are checked against, as `postern policy schema` prints it. */
export const cedarSchema = `// Postern's policy vocabulary.
`;
