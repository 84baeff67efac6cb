# Lo que dice una explicación en español, de usted, para quien no es del oficio.
#
# Reglas, como en en.ftl: decir qué movió la puntuación de este modelo, nunca qué «causó» algo;
# puntos para las contribuciones, nunca un porcentaje; decir qué habría cambiado el resultado de
# la decisión que se tomó, nunca qué ocurrirá. Los números llegan ya con su formato.
# Sintaxis: https://projectfluent.org

## Values

value-yes = sí
value-no = no
value-missing = no indicado
unit-none = { $number }
unit-count = { $number }
unit-percent = { $number }{ "\u00A0" }%
unit-usd = { $number }
unit-usd-per-month = { $number } al mes
unit-months = { $count ->
    [one] { $number } mes
   *[other] { $number } meses
}
unit-years = { $count ->
    [one] { $number } año
   *[other] { $number } años
}
reference-mostly = lo más frecuente: { $value }
item-with-value = { $label } ({ $value })
item-with-points = { $label }: { $value } ({ $points } puntos)
item-with-others = { $item }, junto con { $others }

## Outcomes

outcome-approved = Solicitud aprobada
outcome-declined = Solicitud denegada
outcome-accepted = Solicitud aceptada
outcome-rejected = Solicitud rechazada
outcome-referred = Caso remitido a una persona
outcome-granted = Solicitud concedida
outcome-refused = Solicitud no concedida

## The decision in one sentence

summary-against = { $outcome }: el modelo dio una puntuación de { $score } y se necesitaban al menos { $limit } puntos. En comparación con el grupo de referencia, este dato fue el que más bajó la puntuación: { $item }.
summary-against-bare = { $outcome }: el modelo dio una puntuación de { $score } y se necesitaban al menos { $limit } puntos.
summary-for = { $outcome }: el modelo dio una puntuación de { $score } y se necesitaban al menos { $limit } puntos. En comparación con el grupo de referencia, este dato fue el que más subió la puntuación: { $item }.
summary-for-bare = { $outcome }: el modelo dio una puntuación de { $score } y se necesitaban al menos { $limit } puntos.
summary-rule = { $outcome }: decidió una regla de la política, sea cual sea la puntuación. { $reason }.
summary-not-the-score = { $outcome }: este resultado no se deduce de la puntuación del modelo, que fue de { $score } cuando se necesitaban al menos { $limit } puntos. Esta explicación no dice qué llevó a él.

## The decision in paragraphs

paragraph-decision = Un modelo estadístico calculó, con los datos de este caso, una puntuación de { $score }. El umbral es de { $limit } puntos. Si se alcanza, el resultado es «{ $pass }»; si no, «{ $fail }». El resultado fue «{ $outcome }».
paragraph-rule = { $count ->
    [one] Además de la puntuación, la política tiene reglas que deciden sea cual sea la puntuación. Decidió esta: { $items }.
   *[other] Además de la puntuación, la política tiene reglas que deciden sea cual sea la puntuación. Decidieron estas: { $items }.
}
paragraph-reference = Todos los casos parten de la puntuación media del grupo de referencia: { $population }. Esa media es de { $reference } puntos. A partir de ahí, cada dato de este caso subió o bajó la puntuación de este modelo, o no la cambió.
paragraph-reasons = { $count ->
    [one] En comparación con el grupo de referencia, este dato fue el que más bajó la puntuación de este modelo: { $items }.
   *[other] En comparación con el grupo de referencia, estos datos fueron los que más bajaron la puntuación de este modelo: { $items }.
}
paragraph-no-reasons = En comparación con el grupo de referencia, nada bajó en conjunto la puntuación de este modelo.
paragraph-helped = { $count ->
    [one] Este dato subió la puntuación: { $items }.
   *[other] Estos datos subieron la puntuación: { $items }.
}

## Reasons

reason-phrase = { $reason }: { $phrase } (grupo de referencia: { $reference })
reason-value = { $reason }: { $value } (grupo de referencia: { $reference })
reason-yes-no = { $reason } ({ $label }: { $value }; grupo de referencia: { $reference })
reason-combined = { $label }: { $value } (grupo de referencia: { $reference }). Solo bajó la puntuación junto con otros datos
reason-bare = { $label }: { $value } (grupo de referencia: { $reference })
reason-not-given = { $label }: no indicado (grupo de referencia: { $reference })
reason-rule = { $reason } ({ $items })
reason-together = { $text }. Se cuenta junto con: { $others }
reason-helped = { $label }: { $value } (grupo de referencia: { $reference })

suppressed-small = menos del { $share } de todo lo que bajó la puntuación
suppressed-beyond-limit = más débil que los { $most } motivos indicados
suppressed-rule-beyond = una regla que también se aplicó; los { $most } motivos de una notificación no le dejan sitio
suppressed-same-reason = ya citado como motivo de una regla
suppressed-other-component = decidió una regla, y la puntuación por sí sola habría bastado

## What would have changed the outcome

change = { $label }: { $to } (en lugar de: { $from })
counterfactual = { $changes }. Sin cambiar nada más, este modelo habría dado { $score } puntos, una puntuación que lleva a «{ $outcome }».
counterfactual-note-found = Hemos vuelto a ejecutar el mismo modelo con el mismo umbral y solo hemos cambiado lo que aquí se indica. Esto describe la decisión tal como se tomó. No es un consejo ni promete el resultado de una nueva solicitud.
counterfactual-note-none = Hemos vuelto a ejecutar el mismo modelo con el mismo umbral probando muchos cambios pequeños, de { $most } datos como máximo cada uno y solo con valores presentes en el grupo de referencia. Dentro de estos límites no hemos encontrado ninguno que hubiera cambiado el resultado.
counterfactual-note-favourable = El resultado fue el favorable, así que no se buscó ningún otro.
counterfactual-note-not-the-score = El resultado no se deduce de la puntuación, así que no se buscó ninguna otra.

## How it was worked out, and what it cannot say

method-reference-group = Los puntos de cada dato resultan de comparar este caso con cada uno de los casos del grupo de referencia y de hacer la media de todos los órdenes en que se pueden considerar los datos (valores de Shapley de los log-odds del modelo, motor { $engine }). Para este modelo son exactos, no estimados. { $since } Los puntos son los log-odds del modelo en una escala lineal: { $limit } puntos en { $cut } y { $per } puntos por cada unidad a favor de la persona.
method-training-paths = Los puntos de cada dato resultan de los caminos que los datos de entrenamiento siguieron en el modelo, con la media de todos los órdenes en que se pueden considerar los datos (valores de Shapley de los log-odds del modelo, motor { $engine }). No comparan este caso con un grupo de personas. { $since } Los puntos son los log-odds del modelo en una escala lineal: { $limit } puntos en { $cut } y { $per } puntos por cada unidad a favor de la persona.
method-other = Los puntos de cada dato son los del motor { $engine }. { $since } Los puntos son los log-odds del modelo en una escala lineal: { $limit } puntos en { $cut } y { $per } puntos por cada unidad a favor de la persona.
method-since-decision = Se registraron con la decisión y se comprobaron con la puntuación del modelo.
method-since-later = No se registraron con la decisión: se calcularon más tarde, el { $day }, con el modelo archivado y los mismos datos, y se comprobaron con la puntuación registrada entonces.
limit-not-causes = Los puntos muestran cómo usó este modelo los datos de este caso. No muestran a qué se debe la situación que esos datos describen, ni cómo actuará la persona.
limit-linked = Los datos relacionados entre sí pueden repartirse puntos.
limit-reference = Con otro grupo de referencia, los puntos pueden ser distintos.
limit-typical = El valor que se muestra del grupo de referencia es el central o el más frecuente. Un dato puede subir o bajar la puntuación aunque ese valor haga pensar lo contrario, porque el modelo valora todos los datos juntos.
limit-rounding = Los puntos se redondean a un decimal, por lo que una suma puede variar en la última cifra.
limit-unstable = El último dato citado bajó la puntuación casi lo mismo que el siguiente, que no se cita.
limit-tied = Algunos de estos motivos bajaron la puntuación casi por igual, de modo que otra muestra del grupo de referencia puede cambiar su orden: { $groups }.
limit-missing = Algunos datos no se indicaron. El modelo puntuó el caso sin ellos.

## Checks of the explanation against the model

gate-additivity = La base, las contribuciones y el resto suman la puntuación del modelo; diferencia de { $off } sobre un máximo de { $tolerance } unidades de 10^-6.
gate-rerun = Calculadas por segunda vez, las contribuciones difieren como mucho en { $off } de { $tolerance } unidades de 10^-6.
gate-rerun-impossible = El segundo cálculo de las contribuciones falló.
gate-reference-group = La puntuación de partida es la media del grupo de referencia; diferencia de { $off } sobre un máximo de { $tolerance } unidades de 10^-6.
gate-perturbation = { $count ->
    [0] No hay ningún motivo que probar.
   *[other] Con los valores del grupo de referencia en los datos de todos los motivos, la puntuación { $together ->
        [yes] subió
       *[no] no subió
    }; en un motivo cada vez, subió en { $right } de { $count }. De los demás se dice que cuentan junto con otros datos.
}
gate-reasons-scored = { $right } de { $count } motivos son datos que el modelo puntuó y que bajaron la puntuación.
gate-reasons-none = El caso se resolvió en contra, y no hay ni regla ni dato puntuado que dar como motivo: una persona debe encontrarlo y darlo.
gate-outcome = El resultado registrado { $follows ->
    [yes] es el que se deduce de la puntuación, del umbral y de las reglas.
   *[no] no es el que se deduce de la puntuación, del umbral y de las reglas: una persona debe averiguar qué decidió y dar el motivo.
}
gate-reasons-allowed = { $count ->
    [0] Todos los motivos tienen texto y ninguno es una característica protegida.
    [one] Un motivo es una característica protegida, la sustituye o no tiene texto: { $groups }.
   *[other] { $count } motivos son características protegidas, las sustituyen o no tienen texto: { $groups }.
}
gate-rules-beyond = Se aplicaron más reglas que motivos da una notificación (como máximo { $most }). No citadas: { $groups }.
gate-helped-guarded = Citados como favorables a la puntuación, aunque están protegidos o sustituyen a algo protegido: { $groups }.
gate-rank-stability = { $count ->
    [0] En el { $agreed } % de las extracciones del grupo de referencia ({ $draws }) resultan los mismos motivos; se necesita al menos el { $needed } %.
   *[other] En el { $agreed } % de las extracciones del grupo de referencia ({ $draws }) resultan los mismos motivos; se necesita al menos el { $needed } %. En duda: { $groups }.
}
gate-rank-stability-unknown = No se puede saber si otra extracción del grupo de referencia daría los mismos motivos: el grupo es demasiado pequeño o los valores son estimados.

## Layers: for the person, for a reviewer, for a regulator

layer-summary = En resumen
layer-reasons = Motivos
layer-details = Detalles
layer-method = Cómo se calculó
layer-points = { $text } ({ $points } puntos)
layer-left = { $item }. No se cita como motivo: { $why }
layer-code = { $text }. Código: { $code }; importe: { $amount } millonésimas de los log-odds
layer-check = { $passed ->
    [yes] Superado
   *[no] No superado
}: { $detail }
