/** The client began a body and did not go on with it. */
export const bodyTooSlow = new Error('the request body did not go on');
