// Runs beside the page: hands the microphone's samples on in pieces of about a tenth of a second.
class Pieces extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate / 10);
    this.kept = new Float32Array(this.size);
    this.count = 0;
  }

  process(inputs) {
    const channel = inputs[0]?.[0];
    for (const sample of channel ?? []) {
      this.kept[this.count++] = sample;
      if (this.count === this.size) {
        this.port.postMessage(this.kept.slice());
        this.count = 0;
      }
    }
    return true;
  }
}

registerProcessor("pieces", Pieces);
