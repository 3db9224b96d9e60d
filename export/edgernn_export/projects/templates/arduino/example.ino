// Steps through $name with frames of zeros. Put a frame of your sensor in their place.
#include <$name.h>

static ${prefix}_state stream;  // one carried state

void setup() {
  Serial.begin(115200);
  if (${prefix}_self_test() != 0) {
    Serial.println("$name computes something else here than where it was exported");
    for (;;) delay(1000);
  }
  ${prefix}_reset(&stream);
}

void loop() {
  static $x_type x[${upper}_INPUTS];
  static $y_type y[${upper}_OUTPUTS];
  const unsigned long begin = micros();

  if (${prefix}_step(&stream, x, y) != 0) {
    Serial.println("a frame is refused: it is not finite");
    return;
  }
  const unsigned long taken = micros() - begin;
  for (int i = 0; i < ${upper}_OUTPUTS; ++i) {
    Serial.print(y[i]);
    Serial.print(' ');
  }
  Serial.print(taken);
  Serial.println(" us");
  delay($period_ms);
}
