// What the page's scripts offer each other and the events of Gradio. Read by the type check alone: no browser loads it.

interface Window {
  mmer: {
    copy(text: string): Promise<boolean>;
    reveal(isFar?: boolean): unknown;
    revealProgress(selector?: string): unknown;
    download(id?: string): unknown;
    wait(kind: "model" | "example" | "comparison" | "batch"): string;
    showViews(element: HTMLElement, props: GradioProps, watch: GradioWatch): void;
    showPair(element: HTMLElement, props: GradioProps, watch: GradioWatch): void;
    showError?(sentence: string): void;
  };
  mmerTexts: Record<string, any>;
  mmerViews: Record<string, (...values: any[]) => any>;
  mmerLesson: Record<string, (...values: any[]) => any>;
  mmerClaim: Record<string, (...values: any[]) => any>;
  mmerVoice: Record<string, (...values: any[]) => any>;
  mmerKeep: Record<string, (...values: any[]) => any>;
  mmerTrain: Record<string, (...values: any[]) => any>;
  mmerFilters: Record<string, any>;
  mmerCounts: Record<string, (...values: any[]) => any>;
  mmerRows: Record<string, (...values: any[]) => any>;
  mmerOpened: Record<string, (...values: any[]) => any>;
  mmerNotes: Record<string, any>;
  mmerErrors: Record<string, (...values: any[]) => any>;
}

/** What Gradio hands to the script of an HTML component. */
type GradioProps = { value?: string };
type GradioWatch = (name: string, listener: () => void) => void;
type GradioTrigger = (event: string, data?: unknown) => void;

interface DocumentEventMap {
  "mmer-pair": CustomEvent<{ emotion: string }>;
}
