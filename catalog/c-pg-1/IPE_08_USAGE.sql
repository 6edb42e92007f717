-- Voucher usage per company, business use and month, up to the cutoff.
SELECT
    CAST(s.[ID_COMPANY] AS nvarchar(20)) AS company_code,
    CAST(v.[business_use] AS nvarchar(30)) AS business_use,
    CAST(YEAR(s.[DAT_ORDER_CREATED]) * 100 + MONTH(s.[DAT_ORDER_CREATED]) AS int) AS usage_month,
    CAST(COUNT(*) AS int) AS times_used,
    CAST(COUNT(DISTINCT s.[COD_STORE_CREDIT_VOUCHER]) AS int) AS voucher_count,
    CAST(MIN(s.[DAT_ORDER_CREATED]) AS datetime) AS first_used_at,
    CAST(MAX(s.[DAT_ORDER_CREATED]) AS datetime) AS last_used_at,
    CAST(SUM(s.[MTR_STORE_CREDIT_USED]) AS decimal(38, 4)) AS used_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_SOI] AS s
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[V_STORECREDITVOUCHER_CLOSING] AS v
    ON v.[ID_COMPANY] = s.[ID_COMPANY] AND v.[code] = s.[COD_STORE_CREDIT_VOUCHER]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = s.[ID_COMPANY]
WHERE s.[DAT_ORDER_CREATED] < @cutoff
    AND v.[business_use] IN (@business_uses)
    AND dc.[Flg_In_Conso_Scope] = @in_scope
GROUP BY
    s.[ID_COMPANY],
    v.[business_use],
    YEAR(s.[DAT_ORDER_CREATED]) * 100 + MONTH(s.[DAT_ORDER_CREATED])
HAVING SUM(s.[MTR_STORE_CREDIT_USED]) <> 0
