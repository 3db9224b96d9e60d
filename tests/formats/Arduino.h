/* What a sketch of ours calls of Arduino's core, on top of C: enough to run it once where there is no board. */
#include <stdio.h>

static struct {
    void begin(long) {}
    void print(char value) { printf("%c", value); }
    void print(int value) { printf("%d", value); }
    void print(unsigned long value) { printf("%lu", value); }
    void print(double value) { printf("%g", value); }
    void println(const char *text) { printf("%s\n", text); }
} Serial;

static unsigned long micros() { return 0; }
static void delay(int) {}

void setup();
void loop();

int main() {
    setup();
    for (int i = 0; i < 100; ++i) loop();
    return 0;
}
