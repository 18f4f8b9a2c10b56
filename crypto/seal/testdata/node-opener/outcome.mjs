// The outcome words of section 1. Every refusal of the opener is an Outcome;
// any other exception is a bug of the opener and ends the run.

export class Outcome extends Error {
  constructor(word, why) {
    super(`${word}: ${why}`);
    this.word = word;
  }
}

export const invalid = (why) => new Outcome("InvalidFormat", why);
export const tampered = (why) => new Outcome("Tampered", why);
export const badSignature = (why) => new Outcome("BadSignature", why);
