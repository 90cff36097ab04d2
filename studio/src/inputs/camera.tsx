import { useEffect, useRef, useState } from 'preact/hooks';
import { fitPicture } from './image.ts';
import type { OwnInput } from './set.ts';

/** Between two pictures. */
const EVERY_MS = 200;

const reasons: Readonly<Record<string, string>> = {
  NotAllowedError: 'the browser was not allowed to use it',
  NotFoundError: 'there is none',
  NotReadableError: 'another program uses it',
};

/** What the camera sees, answered five times a second. */
export function Camera({ shape, onInput }: { shape: readonly number[]; onInput(input: OwnInput): void }) {
  const video = useRef<HTMLVideoElement>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    let stream: MediaStream | undefined;
    let closed = false;
    const open = async (): Promise<void> => {
      if (!navigator.mediaDevices) return setProblem('The camera needs https, or a page of this machine.');
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
        if (closed || !video.current) return stop();
        video.current.srcObject = stream;
        await video.current.play();
      } catch (error) {
        const { name, message } = error as Error;
        setProblem(`The camera could not be used: ${reasons[name] ?? message}.`);
      }
    };
    const stop = (): void => {
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
    const timer = setInterval(() => {
      const { current } = video;
      if (!current || current.videoWidth === 0) return;
      const values = fitPicture(current, [current.videoWidth, current.videoHeight], shape);
      onInput({ name: 'camera', values, changes: [] });
    }, EVERY_MS);
    void open();
    return () => {
      closed = true;
      clearInterval(timer);
      stop();
    };
  }, []);
  return (
    <div class="source">
      {problem ? <p class="note">{problem}</p> : <video ref={video} muted playsInline aria-label="Camera picture" />}
    </div>
  );
}
