/** What the clock should keep of the skipping, where a decision guards enough. */
export const WANTED = 0.95;
